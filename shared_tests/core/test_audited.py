"""What becomes of a target, and the exit code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from constate.auditing.audit import Audit
from constate.auditing.audited import Audited, exit_code
from constate.auditing.hazards import HAZARDS
from constate.auditing.report import Report
from constate.auditing.rules import rules
from constate.laws import LAWS
from core.audits import COPY, RULES, TABLES, TOLD, WIDE, audited, outcome

CLEAN, BROKEN, PARTLY, RAISES, NONE = range(5)


def test_what_counts_is_fail_and_warn_that_nobody_accepted() -> None:
    found = audited()[BROKEN]
    assert set(found.counting) == {COPY, *TABLES}
    assert TOLD in found.report.findings
    assert WIDE in found.report.findings


@pytest.mark.parametrize(
    ("which", "code"),
    [([CLEAN], 0), ([PARTLY], 0), ([BROKEN], 1), ([CLEAN, BROKEN], 1), ([RAISES], 2), ([BROKEN, NONE], 2), ([], 0)],
)
def test_exit_codes(which: list[int], code: int) -> None:
    assert exit_code([audited()[number] for number in which]) == code


def test_a_warning_alone_and_everything_accepted() -> None:
    found = audited()[BROKEN]
    assert exit_code([replace(found, accepted=dict.fromkeys([WIDE, *TABLES], "why"))]) == 1
    assert exit_code([replace(found, accepted=dict.fromkeys([WIDE, COPY, *TABLES], "why"))]) == 0


@pytest.mark.parametrize(
    ("verdicts", "runs"),
    [
        ({"P01": "untested", "P07": "untested"}, False),
        ({"P01": "untested", "P07": "not-applicable"}, False),
        ({"P01": "not-applicable"}, True),
        ({"P01": "untested", "P07": "holds"}, True),
        ({"P01": "untested", "P07": "broken"}, True),
    ],
)
def test_a_target_of_which_nothing_was_tried_to_the_end_could_not_run(verdicts: dict[str, str], runs: bool) -> None:
    outcomes = tuple(outcome(code, verdict, f"why {verdict}") for code, verdict in verdicts.items())
    found = Audited(Report("pkg:x", "torch", outcomes))
    assert found.could_run is runs
    assert exit_code([found]) == (0 if runs else 2)
    if not runs:
        assert found.why_not == "no law could be tried; why untested"


def test_a_target_as_json() -> None:
    clean, broken, _, raises, _ = (found.to_json() for found in audited())
    assert clean == {"target": "pkg:clean", "backend": "torch", "findings": [], "verdicts": {"P01": "holds"},
                     "reasons": {}, "versions": {"torch": "2.13.0"}}  # fmt: skip
    assert [row.get("accepted") for row in broken["findings"] if row["law"] == "D04"] == ["on purpose, 1 < 2"]
    assert sum("accepted" in row for row in broken["findings"]) == 1
    assert broken["findings"][0].keys() == {"law", "severity", "entry", "source", "message", "fix"}
    assert broken["reasons"] == {"N03": "there is no registry", "M05": "needs a pass"}
    assert raises["error"] == "the factory fails: ValueError: no"
    assert raises["verdicts"] == {"P01": "untested", "M05": "untested"}


@pytest.mark.parametrize("code", HAZARDS)
def test_every_law_that_is_checked_is_a_law_and_says_when_it_is_fine(code: str) -> None:
    (rule,) = rules([code]).values()
    assert (rule.code, rule.title) == (code, LAWS[code].title)
    assert rule.how.endswith((".", ":"))
    assert rule.fine.endswith(".")
    assert set(RULES) <= set(HAZARDS)


@pytest.mark.usefixtures("fake_backend")
def test_a_generator_under_watch_keeps_its_name() -> None:
    """Instruments that seed every instance replace it as well, by its name."""
    from fake_framework.instruments import Fake
    from fake_framework.module import Module

    names: list[str] = []

    class Drawing(Module):
        def __init__(self) -> None:
            super().__init__()
            names.append(np.random.default_rng.__name__)
            np.random.default_rng(1)

    assert Audit(Fake(Drawing)).own_generator
    assert not Audit(Fake(Module)).own_generator
    assert set(names) == {"default_rng"}
