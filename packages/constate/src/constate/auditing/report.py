"""What an audit found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from constate.auditing.finding import Finding, Severity
from constate.verdicts import Verdict


class AuditFailed(AssertionError):
    """A module breaks laws, or keeps one that it was expected to break."""


@dataclass(frozen=True)
class Outcome:
    """One law on one module."""

    law: str
    verdict: Verdict
    reason: str = ""
    """Why, where it does not apply or could not be tried."""
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The outcome as a worker hands it over."""
        return {
            "law": self.law,
            "verdict": str(self.verdict),
            "reason": self.reason,
            "findings": [finding.to_json() for finding in self.findings],
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        """The inverse of ``to_json``."""
        findings = tuple(Finding(**{**row, "severity": Severity(row["severity"])}) for row in data["findings"])
        return cls(data["law"], Verdict(data["verdict"]), data["reason"], findings, data["seconds"])


@dataclass(frozen=True)
class Report:
    """All laws on one module."""

    target: str
    backend: str
    outcomes: tuple[Outcome, ...]
    expected: Mapping[str, str] = field(default_factory=dict)
    """By law: why it is broken on purpose."""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """Every finding, those that matter most first."""
        order = list(Severity)
        found = [finding for outcome in self.outcomes for finding in outcome.findings]
        return sorted(found, key=lambda finding: order.index(finding.severity))

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By law."""
        return {outcome.law: outcome.verdict for outcome in self.outcomes}

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many laws held, how many applied, how many of these were not run."""
        found = list(self.verdicts.values())
        applicable = len(found) - found.count(Verdict.NOT_APPLICABLE)
        return found.count(Verdict.HOLDS), applicable, found.count(Verdict.UNTESTED)

    def reason(self, law: str) -> str:
        """Why a law does not apply or could not be tried."""
        return next((outcome.reason for outcome in self.outcomes if outcome.law == law), "")

    def failures(self) -> Iterator[str]:
        """One line for every failing finding that was not expected, and for every expectation that was not met."""
        for finding in self.findings:
            if finding.severity is Severity.FAIL and finding.law not in self.expected:
                yield line(finding)
        for law, reason in self.expected.items():
            if law in self.verdicts and self.verdicts[law] is not Verdict.BROKEN:
                verdict = self.verdicts[law]
                yield f"{law} was expected to be broken ({reason}), and is {verdict}: take it out of expected"

    def raise_for_failures(self) -> None:
        """Raise ``AuditFailed`` where a law is broken that was not expected to be, or the reverse. Warnings do not
        raise."""
        if found := list(self.failures()):
            raise AuditFailed("\n".join([f"{self.target} ({self.backend}):", *found]))

    def to_json(self) -> dict[str, Any]:
        """The report as one object."""
        return {
            "target": self.target,
            "backend": self.backend,
            "findings": [finding.to_json() for finding in self.findings],
            "verdicts": {law: str(verdict) for law, verdict in self.verdicts.items()},
            "reasons": {outcome.law: outcome.reason for outcome in self.outcomes if outcome.reason},
            "versions": dict(self.versions),
        }

    def __str__(self) -> str:
        held, applicable, not_run = self.counts
        rows = [f"{self.target} ({self.backend}): {held} laws held of {applicable} that apply, {not_run} not run"]
        rows += [line(finding) for finding in self.findings]
        rows += [f"{o.law} untested: {o.reason}" for o in self.outcomes if o.verdict is Verdict.UNTESTED]
        return "\n".join(rows)


def line(finding: Finding) -> str:
    """A finding in one line."""
    place = f" ({finding.source})" if finding.source else ""
    return f"{finding.law} {finding.severity}: {finding.entry or 'the module'} {finding.message}{place}"
