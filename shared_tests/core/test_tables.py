"""Declared = observed = documented: the README's tables are those of the committed verdicts."""

from __future__ import annotations

import tables
import verdict_files

from constate.backend import KNOWN
from constate.verdicts import Verdict


def test_the_readme_is_current() -> None:
    text = tables.README.read_text(encoding="utf-8")
    assert tables.rendered(text) == text, "run: nox -s accept"


def test_what_checking_looks_for_is_documented() -> None:
    text = tables.CHECKING.read_text(encoding="utf-8")
    assert tables.rendered_checking(text) == text, "run: python shared_tests/tables.py"


def test_a_fraction_is_three_numbers() -> None:
    assert tables.fraction(["holds", "broken", "not-applicable", "untested"]) == "1/3 (1 not run)"
    assert tables.fraction(["holds", "limited"]) == "1/2"
    assert tables.fraction(["not-applicable"]) == "-"


def test_every_backend_has_verdicts() -> None:
    assert {path.stem for path in verdict_files.FOLDER.glob("*.toml")} == KNOWN.keys()


def test_limits_of_our_own_are_few_and_nothing_is_untested() -> None:
    """In flavour constate every cell holds, is limited or does not apply; fewer than 3 % are limited."""
    for name in KNOWN:
        found = verdict_files.read(name)
        ours = [verdict for key, verdict in found.items() if key[0] == "constate"]
        assert set(ours) <= {Verdict.HOLDS, Verdict.LIMITED, Verdict.NOT_APPLICABLE}, name
        applicable = [verdict for verdict in ours if verdict != Verdict.NOT_APPLICABLE]
        assert applicable.count(Verdict.LIMITED) < 0.03 * len(applicable), name
        assert Verdict.UNTESTED not in found.values(), name
