"""The report as one self-contained page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from constate.catalog import CATALOG
from constate.laws import CHAPTERS, LAWS
from constate.reporting.results import Results


def render(results: Results) -> str:
    """The HTML of ``index.html``: needs no network and no other file."""
    used = {cell.law for cell in results.cells}
    data = {
        "date": results.date,
        "machine": results.machine,
        "versions": results.versions,
        "chapters": CHAPTERS,
        "laws": [
            {"code": law.code, "title": law.title, "level": law.level, "sentence": law.sentence, "why": law.why,
             "reports": law.reports}
            for law in LAWS.values()
            if law.code in used
        ],
        "modules": {name: CATALOG[name].title for name in dict.fromkeys(c.module for c in results.cells)},
        "cells": [cell.to_json() for cell in results.cells],
    }  # fmt: skip
    return filled("constate.reporting", data)


def filled(package: str, data: Mapping[str, Any], **given: str) -> str:
    """The template of a package with its data, style and script in it; the style of this package comes first."""
    own, here = files("constate.reporting"), files(package)
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(here.joinpath("page.html.jinja").read_text(encoding="utf-8"))
    # The text stands inside a script element, which ends at the first "</" and nowhere else.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    script = here.joinpath("page.js").read_text(encoding="utf-8")
    styles = dict.fromkeys(folder.joinpath("page.css").read_text(encoding="utf-8") for folder in (own, here))
    return template.render(data=text, css="".join(styles), js=script, **given)
