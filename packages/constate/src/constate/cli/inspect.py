"""``constate inspect``: what is in a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from constate.checkpoint.formats import Form, open_checkpoint
from constate.checkpoint.formats.recognising import recognise
from constate.cli.tables import LIMIT, console, count, print_rows, size
from constate.errors import UsageError, nearest, printable

LINE = 200
"""Characters of a text in the metadata that are shown."""


def inspect(
    path: Annotated[Path, typer.Argument(help="A checkpoint of any format.", show_default=False)],
    patterns: Annotated[
        list[str] | None, typer.Argument(help="Only entries of such names: '*/kernel' 'encoder/*'.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help=f"Entries that are shown; {LIMIT} by default, 0 for all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object, with all entries.")] = False,
) -> None:
    """List the entries of a checkpoint, their dtypes and shapes, and what else it says of itself.

    No array is read. Any format is found by what lies there; the packages of the frameworks read their own.
    """
    with open_checkpoint(path) as reader:
        every, metadata = reader.entries(), reader.metadata()
    entries = _chosen(every, patterns or [])
    format = recognise(path) or ""
    total = {
        "entries": len(entries),
        "values": sum(form.size for form in entries.values()),
        "bytes": sum(form.nbytes for form in entries.values()),
    }
    if as_json:
        shown = list(entries.items())[: limit or None]
        rows = [{"name": n, "dtype": f.dtype, "shape": f.shape, "bytes": f.nbytes} for n, f in shown]
        found = {"path": str(path), "format": format, "entries": rows, "total": total, "metadata": metadata}
        typer.echo(json.dumps(found, indent=1))
        return
    to = console()
    cells = ((n, f.dtype, f"[{', '.join(map(str, f.shape))}]", f"{f.nbytes:,}") for n, f in entries.items())
    print_rows(to, ("entry", "dtype", "shape", "bytes"), cells, len(entries), limit)
    of = f" of {len(every):,}" if patterns else ""
    said = f"{count(len(entries), 'entry', 'entries')}{of}, {count(total['values'], 'value')}, {size(total['bytes'])}"
    to.print(Text.assemble((printable(str(path)), "bold"), f"  {format}, {said}"), soft_wrap=True)
    _print_metadata(to, metadata)


def _chosen(entries: Mapping[str, Form], patterns: list[str]) -> Mapping[str, Form]:
    if not patterns:
        return entries
    found = {name: form for name, form in entries.items() if any(fnmatchcase(name, p) for p in patterns)}
    if not found:
        few = list(entries)[:1000]
        raise UsageError(f"no entry has a name such as {' or '.join(map(repr, patterns))}"
                         f"{nearest(patterns[0], few) if 0 < len(few) <= 20 else ''}")  # fmt: skip
    return found


def _print_metadata(to: Console, metadata: Mapping[str, str]) -> None:
    for key, value in list(metadata.items())[:LIMIT]:
        text = value if len(value) <= LINE else f"{value[:LINE]}… ({len(value):,} characters)"
        to.print(Text.assemble((f"  {printable(key)}", "dim"), f" = {printable(text)}"), soft_wrap=True)
    if len(metadata) > LIMIT:
        to.print(f"  … {len(metadata) - LIMIT:,} more notes: --json writes all", style="dim", soft_wrap=True)
