"""The report in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from constate.laws import LAWS, get_law
from constate.reporting.results import Counts, Results
from constate.verdicts import Cell, Verdict

STYLES = {
    Verdict.HOLDS: "green",
    Verdict.BROKEN: "red",
    Verdict.LIMITED: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.UNTESTED: "magenta",
}
WORST_FIRST = (Verdict.UNTESTED, Verdict.BROKEN, Verdict.LIMITED, Verdict.HOLDS)
SLOWEST = 10


def print_results(console: Console, results: Results) -> None:
    """The matrix of laws by backend and flavour, the totals, and the slowest cells."""
    rows = list(dict.fromkeys((cell.backend, cell.flavour) for cell in results.cells))
    codes = [code for code in LAWS if any(cell.law == code for cell in results.cells)]
    table = Table(title="cells held / applicable, by law", header_style="bold", pad_edge=False)
    table.add_column("law", no_wrap=True)
    for backend, flavour in rows:
        table.add_column(f"{backend}\n{flavour}", justify="right", min_width=6)
    for code in codes:
        shown = [_shown([c for c in results.cells if (c.backend, c.flavour, c.law) == (*row, code)]) for row in rows]
        table.add_row(f"{code} {get_law(code).title}", *shown)
    table.add_section()
    totals = [Counts.of(c for c in results.cells if (c.backend, c.flavour) == row) for row in rows]
    table.add_row("all", *(f"{counts.held}/{counts.applicable}" for counts in totals), style="bold")
    if any(counts.not_run for counts in totals):
        table.add_row("not run", *(str(counts.not_run) for counts in totals), style="magenta")
    console.print(table)
    slowest = sorted(results.cells, key=lambda cell: -cell.seconds)[:SLOWEST]
    console.print(f"the slowest {len(slowest)} cells: " + ", ".join(map(_timed, slowest)), style="dim")


def _shown(cells: Sequence[Cell]) -> Text:
    counts = Counts.of(cells)
    if not counts.applicable:
        return Text("-" if cells else "", style="dim")
    worst = next(
        v
        for v in (Verdict.UNTESTED, Verdict.BROKEN, Verdict.LIMITED, Verdict.HOLDS)
        if any(c.verdict is v for c in cells)
    )
    return Text(f"{counts.held}/{counts.applicable}", style=STYLES[worst])


def _timed(cell: Cell) -> str:
    format = f" {cell.format}" if cell.format else ""
    return f"{cell.backend} {cell.flavour} {cell.module} {cell.law}{format} {cell.seconds:.1f} s"
