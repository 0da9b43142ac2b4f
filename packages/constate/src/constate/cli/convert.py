"""``constate convert``: the same bits in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from constate.checkpoint import converting
from constate.checkpoint.formats import SEPARATOR_NOTE, Format, get_format, names, open_checkpoint
from constate.checkpoint.formats.recognising import SUFFIXES, by_suffix
from constate.cli.tables import LIMIT, console, count, size
from constate.cli.waiting import bar
from constate.errors import UsageError, printable


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A checkpoint of any format.", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The one to write.", show_default=False)],
    format: Annotated[str | None, typer.Option(help="The format of OUT; found by its name if left out.")] = None,
    separator: Annotated[
        str | None,
        typer.Option(help="What stands between the levels of names in OUT, '/' or '.'; as in IN if left out."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it is there.")] = False,
) -> None:
    """Write a checkpoint in another format, bit for bit, whole or not at all.

    A name that ends in .safetensors becomes a file with checksums, which every reader of safetensors opens.
    One without them is made by --format safetensors. What the new format cannot hold beside the arrays is listed.
    """
    chosen = _format(target, format)
    if separator is not None and separator not in [*chosen.separators]:
        expected = f"one of: {' '.join(chosen.separators)}" if chosen.separators else "none"
        raise UsageError(f"found --separator {separator!r}, expected {expected} for {chosen.name}")
    if not force and (target.exists() or Path(f"{target}.index").exists()):
        raise UsageError(f"{target} is there already; choose another name, or replace it with --force")
    with open_checkpoint(source) as reader:
        entries = reader.entries()
        total = sum(form.nbytes for form in entries.values())
        notes = {} if separator is None else {SEPARATOR_NOTE: separator}
        try:
            with bar("converting", total) as advance:
                lost = converting.convert(reader, target, chosen, notes=notes, report=advance)
        except KeyboardInterrupt:
            raise UsageError("interrupted; nothing was written") from None
    to = console()
    said = f"  {chosen.name}, {count(len(entries), 'entry', 'entries')}, {size(total)}"
    to.print(Text.assemble((printable(str(target)), "bold"), said), soft_wrap=True)
    for key, value in list(lost.items())[:LIMIT]:
        to.print(Text.assemble(("  not carried: ", "yellow"), f"{printable(key)} = {printable(value)}"), soft_wrap=True)
    if len(lost) > LIMIT:
        to.print(f"  … {len(lost) - LIMIT:,} more: constate inspect --json {source}", style="dim", soft_wrap=True)


def _format(target: Path, name: str | None) -> Format:
    name = name or by_suffix(target)
    if name is None:
        raise UsageError(f"{target}: its name says no format; expected an end such as {', '.join(SUFFIXES)}, "
                         f"or --format with one of: {', '.join(names())}")  # fmt: skip
    return get_format(name)
