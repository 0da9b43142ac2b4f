"""The data model of the reports."""

from __future__ import annotations

import pytest

from constate.reporting.page import render
from constate.reporting.results import Counts, Results, machine
from constate.verdicts import Cell, Reason, Verdict, settle

BROKEN = Cell("torch", "native", "batch_norm", "P05", "torch.save", Verdict.BROKEN, "found x", "", "x", "y", 0.5)


def cells() -> tuple[Cell, ...]:
    """One cell of every verdict."""
    return tuple(Cell("torch", "native", "batch_norm", "P01", None, verdict) for verdict in Verdict)


def test_json_round_trip() -> None:
    results = Results({"torch": {"torch": "2"}}, machine(), "2026-01-01T00:00:00+00:00", (*cells(), BROKEN))
    assert Results.from_json(results.to_json()) == results


def test_only_laws_that_run_once_per_format_have_one() -> None:
    assert "format" not in cells()[0].to_json()
    assert BROKEN.to_json()["format"] == "torch.save"


def test_the_command_runs_the_cell_and_no_other() -> None:
    expected = "constate compare batch_norm --backend torch --flavour native --law P05 --format torch.save"
    assert BROKEN.command == expected
    shared = Cell("torch", "native", "batch_norm", "X01", None, Verdict.HOLDS)
    assert shared.command == "constate compare batch_norm --flavour native --law X01"


def test_counts_are_three_numbers() -> None:
    counts = Counts.of(cells())
    assert (counts.held, counts.applicable, counts.not_run) == (1, 4, 1)
    assert str(counts) == "1/4 (1 not run)"


@pytest.mark.parametrize(
    ("flavour", "verdict"), [("native", Verdict.BROKEN), ("constate", Verdict.LIMITED)], ids=["native", "constate"]
)
def test_a_reason_makes_a_broken_cell_of_ours_limited(flavour: str, verdict: Verdict) -> None:
    cell = Cell("torch", flavour, "batch_norm", "P05", "torch.save", Verdict.BROKEN)
    reason = Reason(flavour, ("P05",), "why", "https://example.org", formats=("torch.save",))
    settled = settle(cell, [reason])
    assert (settled.verdict, settled.reason, settled.link) == (verdict, "why", "https://example.org")
    elsewhere = Reason(flavour, ("P05",), "why", "https://example.org", modules=("frozen_linear",))
    assert settle(cell, [elsewhere]) == cell


def test_a_reason_changes_nothing_that_holds() -> None:
    cell = Cell("torch", "native", "batch_norm", "P05", None, Verdict.HOLDS)
    assert settle(cell, [Reason("native", ("P05",), "why", "https://example.org")]) == cell


def test_the_page_is_self_contained_and_escapes_what_it_shows() -> None:
    nasty = Cell("torch", "native", "batch_norm", "P01", None, Verdict.BROKEN, "</script><b>&amp;")
    text = render(Results({}, {}, "2026-01-01T00:00:00+00:00", (nasty,)))
    assert "</script><b>" not in text
    assert "src=" not in text.replace('src="data:', "")
    assert text.count("<script") == text.count("</script>") == 2
