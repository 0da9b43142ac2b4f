"""Audits of users' modules, in every format that is for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from constate.auditing.audited import Audited
from constate.auditing.rules import Rule


class Format(StrEnum):
    """How a report is written."""

    TERMINAL = "terminal"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"

    @property
    def by_target(self) -> bool:
        """Whether the report of several targets is those of each, one after another."""
        return self in (Format.TERMINAL, Format.JSON, Format.GITHUB)


def json_lines(targets: Sequence[Audited]) -> str:
    """One object a line and target."""
    return "".join(json.dumps(audited.to_json(), ensure_ascii=False) + "\n" for audited in targets)


def render(format: Format, targets: Sequence[Audited], rules: Mapping[str, Rule], date: str, folder: Path) -> str:
    """The report in one of the formats that are for programs. ``date`` is in UTC; paths are relative to ``folder``."""
    from constate.reporting.audits import github, junit, sarif

    match format:
        case Format.JUNIT:
            return junit.render(targets, rules, date)
        case Format.SARIF:
            return sarif.render(targets, rules, folder)
        case Format.GITHUB:
            return github.render(targets)
        case _:
            return json_lines(targets)
