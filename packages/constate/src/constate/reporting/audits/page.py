"""Audits as one self-contained page: modules by law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from constate.auditing.audited import Audited
from constate.auditing.rules import Rule
from constate.reporting.page import filled


@dataclass(frozen=True)
class Overview:
    """What a page shows."""

    title: str
    """What was audited."""
    targets: Sequence[Audited]
    rules: Mapping[str, Rule]
    date: str
    machine: Mapping[str, str]
    unbuilt: Mapping[str, str] = field(default_factory=dict)
    """By class: why none was made."""
    unimported: Mapping[str, str] = field(default_factory=dict)
    """By module: why it cannot be imported."""


def render(overview: Overview) -> str:
    """The HTML of ``index.html``: needs no network and no other file."""
    data = {
        "title": overview.title,
        "date": overview.date,
        "machine": overview.machine,
        "rules": [rule.to_json() for rule in overview.rules.values()],
        "targets": [_target(audited) for audited in overview.targets],
        "unbuilt": overview.unbuilt,
        "unimported": overview.unimported,
    }
    return filled("constate.reporting.audits", data, title=overview.title)


def _target(audited: Audited) -> dict[str, Any]:
    held, applicable, not_run = audited.report.counts
    return audited.to_json() | {
        "held": held,
        "applicable": applicable,
        "notRun": not_run,
        "counting": len(audited.counting),
        "error": "" if audited.could_run else audited.why_not,
        "seconds": audited.seconds,
    }
