"""What became of one target: what the audit found, and what of that a person has accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from constate.auditing.finding import Finding, Severity
from constate.auditing.report import Outcome, Report
from constate.verdicts import Verdict


class Stage(StrEnum):
    """Where an audit came to an end before the first law."""

    CALL = "call"
    """There is no such target, or it cannot be called."""
    BUILD = "build"
    """The factory or its inputs raised."""
    LOST = "lost"
    """The process hung, died or took too much memory."""


@dataclass(frozen=True)
class Audited:
    """One target."""

    report: Report
    error: str = ""
    """Why no law could be run."""
    stage: Stage | None = None
    accepted: Mapping[Finding, str] = field(default_factory=dict)
    """The reasons for which a person left findings as they are."""
    seconds: float = 0.0

    @classmethod
    def failed(cls, target: str, codes: Iterable[str], error: str, stage: Stage, seconds: float = 0.0) -> Audited:
        """A target of which no law could be run."""
        outcomes = tuple(Outcome(code, Verdict.UNTESTED, error) for code in codes)
        return cls(Report(target, "", outcomes), error, stage, {}, seconds)

    @property
    def target(self) -> str:
        """As the user named it."""
        return self.report.target

    @property
    def could_run(self) -> bool:
        """Whether any law was tried to the end, or none applies."""
        found = set(self.report.verdicts.values())
        return not self.error and bool(found & {Verdict.HOLDS, Verdict.BROKEN} or Verdict.UNTESTED not in found)

    @property
    def why_not(self) -> str:
        """Why it could not run."""
        untested = (o.reason for o in self.report.outcomes if o.verdict is Verdict.UNTESTED)
        return self.error or f"no law could be tried; {next(untested, '')}"

    @property
    def counting(self) -> list[Finding]:
        """The findings that break a law and that nobody has accepted."""
        return [f for f in self.report.findings if f.severity is not Severity.INFO and f not in self.accepted]

    def to_json(self) -> dict[str, Any]:
        """The target as one object; ``accepted`` in a finding and ``error`` only where there are any."""
        data = self.report.to_json()
        for row, finding in zip(data["findings"], self.report.findings, strict=True):
            if finding in self.accepted:
                row["accepted"] = self.accepted[finding]
        if self.error:
            data["error"] = self.error
        return data


def exit_code(targets: Iterable[Audited]) -> int:
    """2 where a target could not run, 1 where a law is broken that nobody accepted, else 0."""
    found = list(targets)
    if not all(target.could_run for target in found):
        return 2
    return int(any(target.counting for target in found))
