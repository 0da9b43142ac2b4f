"""``constate port``: the weights of a module for its twin in another framework."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from constate.auditing.targets import split
from constate.cli.tables import LIMIT, console, count
from constate.cli.writing import complain
from constate.errors import UsageError, printable
from constate.instruments.inputs import parse_all
from constate.porting import Port, WeightMap, map_files, opened
from constate.porting.composing import rows_of
from constate.porting.lacking import lacking
from constate.porting.layer import Layer
from constate.porting.ports import Proved


def port(
    source: Annotated[str, typer.Argument(help="What makes the module that has the weights: pkg.mod:factory.")],
    target: Annotated[str, typer.Argument(help="What makes its twin: pkg.mod:factory, path/to/file.py:factory.")],
    out: Annotated[
        Path | None, typer.Argument(help="The checkpoint to write; without one, the twins are only compared.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A checkpoint of the source; else the weights that its factory gives it.")
    ] = None,
    input: Annotated[
        list[str] | None, typer.Option("-i", "--input", help="What the source is called with: f32[8,3,32,32].")
    ] = None,
    target_input: Annotated[
        list[str] | None, typer.Option(help="What the target is called with, where that is not the same.")
    ] = None,
    map: Annotated[
        Path | None, typer.Option(help="A weight map to go by: a TOML file, as --save-map writes it.")
    ] = None,
    save_map: Annotated[
        Path | None, typer.Option(help="Where to write the weight map; beside OUT by default, as OUT.map.toml.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the weights are moved.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Move weights to a module's twin in another framework, proved or not at all.

    Which layer goes where, and in which order of axes, follows from the two modules; it is shown, and written to a file
    that can be edited. Then both modules run: the checkpoint is written if outputs in eval mode, the gradients of a
    training step, and the statistics after it agree.

    Exits with 0 where they do, 1 where they do not, 2 where that could not be tried.
    """
    for name in (source, target):
        split(name)
    for given in (input, target_input):
        if given:
            parse_all(given)
    if map is not None and save_map is not None:
        raise UsageError("found both --map and --save-map, expected one of them")
    place = save_map or (Path(f"{out}.map.toml") if out is not None and map is None else None)
    for file in (out, place):
        if file is not None and file.exists() and not force:
            raise UsageError(f"{file} is there already; choose another name, or replace it with --force")
    given_map = None if map is None else map_files.read(map)
    to = console()
    try:
        with (
            _word("building both modules") as built,
            opened(source, target, file=weights, inputs=input, target_inputs=target_input, out=out) as twins,
        ):
            built()
            weight_map = given_map or _inferred(twins, place, to, f"{source} to {target}")
            if (
                given_map is None
                and out is not None
                and not yes
                and to.is_terminal
                and not typer.confirm("Move the weights?")
            ):
                raise UsageError(f"not confirmed; no weights were moved{f', the map is {place}' if place else ''}")
            with _word("proving that both compute the same"):
                proved = twins.prove(weight_map)
            _show(proved, twins, to)
            if proved.holds and out is not None:
                twins.save(out)
                to.print(Text.assemble((printable(str(out)), "bold"), "  written"), soft_wrap=True)
    except KeyboardInterrupt:
        raise UsageError("interrupted; no weights were written") from None
    if not proved.holds:
        complain(f"the two do not compute the same{'; no weights were written' if out else ''}")
        raise typer.Exit(1)


@contextmanager
def _word(text: str) -> Iterator[Callable[[], None]]:
    """Say on a terminal what is going on, until the end or until it is told to stop."""
    status = Console(stderr=True).status(text)
    if status.console.is_terminal:
        status.start()
    try:
        yield status.stop
    finally:
        status.stop()


def _inferred(twins: Port, place: Path | None, to: Console, title: str) -> WeightMap:
    """The map as it follows from the two modules, shown and written. Raises ``UsageError`` where it is not whole."""
    weight_map = twins.infer()
    _print(twins, weight_map, to)
    if place is not None:
        heads = {next(rows_of(*both, twins.source, twins.target)).target: _pair(*both) for both in twins.paired.pairs}
        map_files.write(place, map_files.to_text(weight_map, title, heads))
        to.print(Text.assemble((printable(str(place)), "bold"), "  the map, to be edited"), soft_wrap=True)
    if missing := lacking(twins.source, twins.target, twins.paired):
        for line in missing[:LIMIT]:
            to.print(Text.assemble(("no twin: ", "yellow"), printable(line)), soft_wrap=True)
        how = (
            f"add rows for them to {place}, and give it with --map"
            if place
            else "write a map with --save-map, and edit it"
        )
        raise UsageError(f"{count(len(missing), 'layer')} without a twin; {how}; no weights were moved")
    return weight_map


def _pair(ours: Layer, theirs: Layer) -> str:
    return f"{ours.path} -> {theirs.path} ({theirs.kind})"


def _print(twins: Port, weight_map: WeightMap, to: Console) -> None:
    """The layers and their twins, and what the order of axes becomes."""
    table = Table(header_style="bold")
    for head in (f"source, {twins.source.backend}", f"target, {twins.target.backend}", "layer", "axes"):
        table.add_column(head, overflow="fold")
    for ours, theirs in twins.paired.pairs:
        patterns = dict.fromkeys(row.rearrange for row in rows_of(ours, theirs, twins.source, twins.target))
        cells = (ours.path, theirs.path, theirs.kind, "\n".join(pattern for pattern in patterns if pattern))
        table.add_row(*(Text(printable(cell) if "\n" not in cell else cell) for cell in cells))
    if twins.paired.pairs:
        to.print(table)
    for what, names in (("left out", weight_map.left_out), ("kept as the target makes them", weight_map.kept)):
        if names:
            more = f", … {len(names) - 3:,} more" if len(names) > 3 else ""
            to.print(f"{what}: {printable(', '.join(names[:3]))}{more}", style="dim", soft_wrap=True, markup=False)


def _show(proved: Proved, twins: Port, to: Console) -> None:
    """What came of the proof, and where to look if it failed."""
    for proof in proved.proofs:
        in_float64 = ", in float64" if proved.wide and not proof.what.startswith("outputs") and proof.count else ""
        mark = ("✓", "green") if proof.holds else ("✗", "red")
        to.print(Text.assemble(mark, f" {printable(str(proof))}{in_float64}"), soft_wrap=True)
    if proved.holds:
        return
    if proved.first is not None:
        ours, theirs = proved.first
        to.print(f"the first outputs that differ: {printable(_pair(ours, theirs))}", soft_wrap=True, markup=False)
    for ours, theirs, name, here, there in twins.conventions()[:LIMIT]:
        text = f"{name} is {here} in {ours.path} of the source and {there} in {theirs.path} of the target"
        to.print(Text.assemble(("set up differently: ", "yellow"), printable(text)), soft_wrap=True)
