"""The audit of every labelled module finds what was planted, names it, and calls nothing broken that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType

import constate
from constate.auditing.finding import Severity
from constate.verdicts import Verdict


def test_the_audit_agrees_with_the_label(labelled: ModuleType, record_property: Callable[[str, object], None]) -> None:
    report = constate.check(labelled.build, labelled.INPUTS)
    truly = {labelled.HAZARD, *labelled.ALSO} - {None}
    about = [f for f in report.findings if f.law == labelled.HAZARD and f.severity is not Severity.INFO]
    named = [finding for finding in about if labelled.ENTRY is None or labelled.ENTRY in finding.entry]
    fails = [finding for finding in report.findings if finding.severity is Severity.FAIL]
    wrong = [finding for finding in fails if finding.law not in truly]
    score = {
        "planted": labelled.HAZARD is not None,
        "found": bool(named),
        "right": len(fails) - len(wrong),
        "wrong": len(wrong),
    }
    record_property("score", json.dumps(score))
    said = str(report)
    assert not wrong, said
    warned = {finding.law for finding in report.findings if finding.severity is Severity.WARN}
    assert warned <= truly | set(getattr(labelled, "WARNS", ())), said
    if labelled.HAZARD is not None:
        assert named, said
        assert report.verdicts[labelled.HAZARD] is Verdict.BROKEN


def test_every_label_is_well_formed(labelled: ModuleType) -> None:
    """A label names laws that an audit tries, and a hazard says where it is."""
    from constate.auditing.hazards import HAZARDS

    laws = {labelled.HAZARD, *labelled.ALSO, *getattr(labelled, "WARNS", ())} - {None}
    assert laws <= HAZARDS.keys()
    assert (labelled.HAZARD is None) == (labelled.ENTRY is None)
    assert (labelled.__doc__ or "").strip()
