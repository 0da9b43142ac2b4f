"""``constate compare``: what each framework really does, law by law."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from constate import comparing
from constate.backend import FLAVOURS, check_names, installed
from constate.catalog import CATALOG, get_reference
from constate.cli.writing import require_folder, write
from constate.errors import UsageError, nearest
from constate.laws import LAWS, get_law
from constate.reporting.page import render
from constate.reporting.results import Results, machine
from constate.reporting.terminal import print_results
from constate.verdicts import Cell

REPORT = ("results.json", "index.html")


def compare(
    modules: Annotated[list[str] | None, typer.Argument(help="Catalogue modules; all by default.")] = None,
    backend: Annotated[list[str] | None, typer.Option(help="A backend; all that are installed by default.")] = None,
    flavour: Annotated[list[str] | None, typer.Option(help="native or constate; both by default.")] = None,
    law: Annotated[list[str] | None, typer.Option(help="A law (P05) or a chapter (P); all by default.")] = None,
    format: Annotated[
        list[str] | None, typer.Option(help="A file format, for laws that run once per format; all by default.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="The device that laws of placement move to (cuda:0); all that there are by default."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder for the report.")] = Path("report"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Workers at a time; one a core by default.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=86400, help="Seconds for one cell.")] = 120.0,
) -> None:
    """Run the contract on the catalogue in every backend, and write report/index.html."""
    names = list(dict.fromkeys(backend or installed()))
    if not names:
        raise UsageError("no backend is installed; install one, for example: pip install constate-torch")
    check_names(names)
    for name in flavour or ():
        if name not in FLAVOURS:
            raise UsageError(f"unknown flavour {name!r}{nearest(name, FLAVOURS)}")
    chosen = list(dict.fromkeys(get_reference(name).name for name in modules or CATALOG))
    codes = list(dict.fromkeys(code for text in law or LAWS for code in _codes(text)))
    require_folder(output, REPORT)

    console = Console()
    with _Bars(console) as bars:
        try:
            found = comparing.compare(
                names,
                list(dict.fromkeys(flavour or FLAVOURS)),
                chosen,
                codes,
                jobs=jobs,
                limit=timeout,
                device=device,
                formats=format or (),
                report=bars.advance,
            )
        except KeyboardInterrupt:
            raise UsageError("interrupted; the workers were stopped and no report was written") from None
    if found.unknown:
        raise UsageError(f"no backend of this run has the {', '.join(found.unknown)}; see: constate backends")
    date = datetime.now(UTC).isoformat(timespec="seconds")
    results = Results(found.versions, machine(), date, tuple(found.cells))
    for name, text in zip(REPORT, (results.to_json(), render(results)), strict=True):
        write(output / name, text)
    print_results(console, results)
    console.print(f"{len(results.cells)} cells in {output / 'index.html'} and {output / 'results.json'}")
    if found.lost:
        raise UsageError(
            f"{len(found.lost)} cells could not be tested: "
            + "; ".join(found.lost[:3])
            + ("; …" if len(found.lost) > 3 else "")
            + f"; all others are in {output / 'index.html'}, run again for these"
        )


def _codes(text: str) -> list[str]:
    chapter = [code for code in LAWS if code[0] == text.upper()]
    return chapter or [get_law(text).code]


class _Bars:
    """One bar for each backend and flavour; where there is no terminal, a line when one is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[at]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._progress.stop()

    def advance(self, cell: Cell, total: int) -> None:
        """Count a cell."""
        with self._lock:
            row = cell.backend, cell.flavour
            if row not in self._tasks:
                self._tasks[row] = self._progress.add_task(f"{cell.backend} {cell.flavour}", total=total, at="")
            task = self._tasks[row]
            self._progress.update(task, advance=1, at=f"{cell.module} {cell.law} {cell.verdict}")
            if self._progress.disable and self._progress.tasks[task].finished:
                self._console.print(f"{cell.backend} {cell.flavour}: {total} cells", highlight=False)
