"""The report in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
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
    """The matrix of laws by backend, the totals, and the slowest cells. Fits a terminal of 80 columns."""
    backends = list(dict.fromkeys(cell.backend for cell in results.cells))
    flavours = list(dict.fromkeys(cell.flavour for cell in results.cells))
    matrix = Table(
        title=f"cells held / applicable, {'→'.join(flavours)}", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    matrix.add_column("law", no_wrap=True)
    for backend in backends:
        matrix.add_column(backend.replace("-", "-\n"), justify="right", no_wrap=True)
    for code in LAWS:
        here = [cell for cell in results.cells if cell.law == code]
        if here:
            columns = [[_shown(_of(here, backend, flavour)) for flavour in flavours] for backend in backends]
            matrix.add_row(f"{code} {get_law(code).title}", *(Text("→").join(column) for column in columns))
    console.print(matrix)
    totals = Table("", "", "held", "applicable", "not run", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for backend in backends:
        for flavour in flavours:
            counts = Counts.of(_of(results.cells, backend, flavour))
            totals.add_row(backend, flavour, str(counts.held), str(counts.applicable), str(counts.not_run))
    console.print(totals)
    slowest = sorted(results.cells, key=lambda cell: -cell.seconds)[:SLOWEST]
    console.print(f"the slowest {len(slowest)} cells:", style="dim")
    for cell in slowest:
        format = f" {cell.format}" if cell.format else ""
        name = f"{cell.backend} {cell.flavour} {cell.module} {cell.law}{format}"
        console.print(f"{cell.seconds:6.1f} s  {name}", style="dim", highlight=False)


def _of(cells: Sequence[Cell], backend: str, flavour: str) -> list[Cell]:
    return [cell for cell in cells if (cell.backend, cell.flavour) == (backend, flavour)]


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
