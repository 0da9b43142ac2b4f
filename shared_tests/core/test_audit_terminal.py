"""Audits in a terminal and in a pipe."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from constate.auditing.audited import Audited
from constate.reporting.audits.terminal import print_audited, print_overview, print_summary
from core.audits import RULES, WIDE, audited


def shown(targets: list[Audited], width: int = 80, **given: bool) -> str:
    """What a console prints of targets, one after another."""
    file = io.StringIO()
    console = Console(file=file, width=width, **given)
    for target in targets:
        print_audited(console, target, RULES)
    return file.getvalue()


def test_a_clean_target_is_one_line() -> None:
    assert shown(audited()[:1]) == "pkg:clean (torch): 1 held / 1 applicable / 0 not run\n\n"


def test_findings_by_severity_with_place_message_and_fix() -> None:
    text = shown(audited()[1:2])
    assert text == (
        "pkg:broken (nnx): 1 held / 5 applicable / 1 not run\n"
        "  fail\n"
        "    P11 abstract build  layers/0/table, layers/1/table, layers/2/table and 2 more\n"
        "      pkg/a: b,c.py:12\n"
        "      is wrong, 100 % sure\n"
        '        self.register_buffer("table", value)  # persistent\n'
        "  warn\n"
        "    P07 copies  the module\n"
        "      cannot be copied: <lambda> & �[31m\n"
        "  info\n"
        "    P11 abstract build  count  pkg/model.py:20\n"
        "      keeps other bytes; no output showed it\n"
        "  accepted\n"
        "    D04 filters  /opt/lib/wide.py:3: on purpose, 1 < 2\n"
        "  not run\n"
        "    M05 no stale cache: needs a pass\n"
        "\n"
    )


def test_what_was_not_run_for_one_reason_is_one_line() -> None:
    assert "    M05, P07: needs a pass\n" in shown(audited()[2:3])


def test_a_target_that_could_not_run() -> None:
    assert shown(audited()[3:4]) == "pkg:raises could not run\n  the factory fails: ValueError: no\n\n"


@pytest.mark.parametrize("width", [40, 80])
def test_long_texts_are_wrapped_and_paths_are_not(width: int) -> None:
    path = f"{'folder/' * 12}model.py:7"
    long = replace(WIDE, source=path, message="one word after another " * 10, fix="call(argument, " * 9 + ")  # fix")
    target = audited()[1]
    outcomes = tuple(replace(o, findings=(long,) if o.law == "D04" else ()) for o in target.report.outcomes)
    lines = shown([replace(target, report=replace(target.report, outcomes=outcomes))], width).splitlines()
    assert sum(path in line for line in lines) == 1
    written = [line for line in lines if line.startswith("      ") and path not in line]
    assert len(written) > 4
    assert all(len(line) <= width for line in written)
    assert all(line == line.rstrip() for line in lines)


def test_colours_are_for_terminals_only() -> None:
    assert "\x1b[" not in shown(audited())
    assert "\x1b[" in shown(audited(), force_terminal=True)


@pytest.mark.parametrize(
    ("which", "line"),
    [
        ([0], "1 target: 1 clean\n"),
        ([0, 2], "2 targets: 1 clean, 1 without findings and not wholly run\n"),
        ([0, 1], "2 targets: 1 clean, 1 with findings (5 fail, 1 warn), 1 accepted\n"),
        ([3, 4], "2 targets: 0 clean, 2 could not run\n"),
    ],
)
def test_the_last_line(which: list[int], line: str) -> None:
    file = io.StringIO()
    print_summary(Console(file=file, width=80), [audited()[number] for number in which])
    assert file.getvalue() == line


def test_an_overview() -> None:
    file = io.StringIO()
    unbuilt = {f"pkg:Class{number}": "needs the argument dim" for number in range(30)}
    print_overview(Console(file=file, width=80), audited(), unbuilt, {"pkg.bad": "SyntaxError"})
    lines = [line.split() for line in file.getvalue().splitlines() if line.strip()]
    rows = {line[0]: line[1:] for line in lines if line[0].startswith("pkg")}
    assert rows["pkg:clean"] == ["1/1"]
    assert rows["pkg:broken"] == ["1/5", "5", "1", "1"]
    assert rows["pkg:partly"] == ["1/3", "2"]
    assert rows["pkg:raises"][:3] == ["could", "not", "run:"]
    assert rows["pkg:Class19"][:3] == ["not", "made:", "needs"]
    assert "pkg:Class20" not in rows
    assert ["and", "10", "more", "not", "made"] in lines
    assert rows["pkg.bad"] == ["cannot", "be", "imported:", "SyntaxError"]
