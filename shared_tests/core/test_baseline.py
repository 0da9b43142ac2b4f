"""Findings that a person accepted, with a reason."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from constate.auditing.audited import exit_code
from constate.auditing.baseline import Baseline
from constate.errors import UsageError
from core.audits import COPY, TABLES, WIDE, audited

ROW = '[[accepted]]\ntarget = "{}"\nlaw = "{}"\nentry = "{}"\nreason = "because"\n'


def baseline(tmp_path: Path, *rows: tuple[str, str, str]) -> Baseline:
    """Read back from a file."""
    path = tmp_path / "baseline.toml"
    path.write_text("\n".join(ROW.format(*row) for row in rows))
    return Baseline.load(path)


def test_a_row_accepts_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    rows = baseline(tmp_path, ("pkg:broken", "P11", "layers/1/table"), ("pkg:broken", "p07", ""))
    found = rows.applied(audited()[1])
    assert found.accepted == {TABLES[1]: "because", COPY: "because"}
    assert set(found.counting) == {*TABLES, WIDE} - {TABLES[1]}
    assert rows.applied(replace(audited()[1], report=replace(audited()[1].report, target="pkg:other"))).accepted == {}


@pytest.mark.parametrize(("entry", "number"), [("layers/*/table", 5), ("layers/[01]/table", 0), ("layers/?/table", 0)])
def test_a_star_stands_for_anything(tmp_path: Path, entry: str, number: int) -> None:
    rows = baseline(tmp_path, ("pkg:*", "P11", entry))
    assert len(rows.applied(audited()[1]).accepted) == number


@pytest.mark.parametrize(
    ("row", "stale"),
    [
        (("pkg:broken", "P11", "layers/9/table"), True),
        (("pkg:broken", "P11", "layers/0/table"), False),
        (("pkg:broken", "P01", "x"), True),  # the law holds
        (("pkg:broken", "N03", "x"), True),  # it does not apply
        (("pkg:broken", "P11", "count"), False),  # what matters less now is still there
        (("pkg:elsewhere", "P11", "x"), False),  # not audited in this run
        (("pkg:broken", "M05", "x"), False),  # the law was not tried
        (("pkg:broken", "G01", "x"), False),  # nor was this
        (("pkg:raises", "P01", "x"), False),  # nothing was
        (("pkg:*", "P01", "x"), False),  # nor was it on all of them
    ],
)
def test_what_matches_nothing_any_more_is_stale(tmp_path: Path, row: tuple[str, str, str], stale: bool) -> None:
    rows = baseline(tmp_path, row)
    assert (rows.stale(audited()) == list(rows.rows)) is stale


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[accepted]]\ntarget = "a:b"\nlaw = "P11"\nentry = "x"\n', "row 1: found no reason, expected one"),
        (ROW.replace("because", "  ").format("a:b", "P11", "x"), "row 1: found no reason, expected one"),
        (ROW.format("a:b", "P11", "x") + ROW.format("a:b", "P99", "x"), "row 2: no law 'P99' that can be checked"),
        (ROW.format("a:b", "P11", "x") + 'because = "x"\n', "row 1: found the key 'because', expected target"),
        ('[[acepted]]\n', "found the key 'acepted', expected accepted"),
        ('accepted = "all"\n', "found 'accepted' as something else, expected tables [[accepted]]"),
        (ROW.replace('"because"', "3").format("a:b", "P11", "x"), "row 1: found a value that is no text"),
        ("[[accepted\n", "it is no TOML"),
    ],
)  # fmt: skip
def test_a_file_that_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "baseline.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        Baseline.load(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^there is no baseline .*none\.toml$"):
        Baseline.load(tmp_path / "none.toml")


def test_what_is_found_is_added_and_the_rest_stays(tmp_path: Path) -> None:
    """Rows for what counts, once each; comments and rows as they were; then nothing counts any more."""
    path = tmp_path / "baseline.toml"
    before = "# ours\n" + ROW.format("pkg:gone", "P01", "x") + "# the end\n"
    path.write_text(before)
    found = [Baseline.load(path).applied(replace(target, accepted={})) for target in audited()]
    path.write_text(Baseline.load(path).extended(found, 'said "so" \\ \x7f, ä'))
    assert path.read_text().startswith(before)
    rows = tomllib.loads(path.read_text())["accepted"]
    assert [(row["law"], row["entry"]) for row in rows[1:]] == [
        *(("P11", f"layers/{number}/table") for number in range(5)), ("D04", "filters"), ("P07", "")]  # fmt: skip
    assert {row["reason"] for row in rows[1:]} == {'said "so" \\ \x7f, ä'}
    after = [Baseline.load(path).applied(target) for target in audited()[:3]]
    assert exit_code(after) == 0
    assert not [row for row in Baseline.load(path).stale(after) if row.target == "pkg:broken"]
    assert Baseline.load(path).extended(after, "again") == path.read_text(), "nothing is added twice"


def test_rows_to_which_nothing_can_be_added(tmp_path: Path) -> None:
    path = tmp_path / "baseline.toml"
    path.write_text('accepted = [{ target = "a:b", law = "P01", entry = "x", reason = "y" }]\n')
    with pytest.raises(UsageError, match=r"cannot add to the baseline: .*write its rows as tables"):
        Baseline.load(path).extended(audited(), "because")
