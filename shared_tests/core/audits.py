"""Audits made up for the tests of reports."""

from __future__ import annotations

from constate.auditing.audited import Audited, Stage
from constate.auditing.finding import Finding, Severity
from constate.auditing.report import Outcome, Report
from constate.auditing.rules import Rule, rules
from constate.verdicts import Verdict

RULES: dict[str, Rule] = rules(["P01", "P07", "P11", "D04", "N03", "M05"])
FIX = 'self.register_buffer("table", value)  # persistent'
PLACE = "pkg/a: b,c.py:12"
TABLES = [Finding("P11", Severity.FAIL, f"layers/{n}/table", PLACE, "is wrong, 100 %\nsure", FIX) for n in range(5)]
COPY = Finding("P07", Severity.WARN, "", "", "cannot be copied: <lambda> & \x1b[31m", "")
WIDE = Finding("D04", Severity.FAIL, "filters", "/opt/lib/wide.py:3", "loses its imaginary part", "keep two parts")
TOLD = Finding("P11", Severity.INFO, "count", "pkg/model.py:20", "keeps other bytes; no output showed it", "")


def outcome(code: str, verdict: str = "holds", reason: str = "", *findings: Finding) -> Outcome:
    """One law."""
    return Outcome(code, Verdict(verdict), reason, findings, 0.25)


def audited() -> list[Audited]:
    """Clean; with findings of every severity, one accepted; partly run; two that could not run."""
    broken = (
        outcome("P01"), outcome("P07", "broken", "", COPY), outcome("P11", "broken", "", *TABLES, TOLD),
        outcome("D04", "broken", "", WIDE), outcome("N03", "not-applicable", "there is no registry"),
        outcome("M05", "untested", "needs a pass"),
    )  # fmt: skip
    partly = (outcome("P01"), outcome("M05", "untested", "needs a pass"), outcome("P07", "untested", "needs a pass"))
    return [
        Audited(Report("pkg:clean", "torch", (outcome("P01"),), {}, {"torch": "2.13.0"}), seconds=1.5),
        Audited(Report("pkg:broken", "nnx", broken), accepted={WIDE: "on purpose, 1 < 2"}),
        Audited(Report("pkg:partly", "torch", partly)),
        Audited.failed("pkg:raises", ["P01", "M05"], "the factory fails: ValueError: no", Stage.BUILD),
        Audited.failed("pkg:none", ["P01", "M05"], "pkg has no 'none'", Stage.CALL),
    ]
