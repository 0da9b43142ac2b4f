"""``constate verify``: whether every bit of a checkpoint is as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.text import Text

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import open_checkpoint
from constate.checkpoint.formats.recognising import recognise
from constate.cli.tables import console, count, size
from constate.cli.waiting import bar
from constate.errors import Unsupported, UsageError, printable


class Verdict(NamedTuple):
    word: str
    said: str
    style: str
    code: int


def verify(paths: Annotated[list[Path], typer.Argument(help="Checkpoints of any format.", show_default=False)]) -> None:
    """Compare checkpoints with the checksums that they keep, one line each.

    Exits with 0 where every bit is as it was written, 1 where something is damaged, 2 where that cannot be said: the
    format keeps no checksums, or there is nothing that can be opened.
    """
    to, codes = console(), set()
    for path in paths:
        with bar(f"verifying {path.name}"):
            found = _verdict(path)
        line = Text.assemble(f"{printable(str(path))}: ", (found.word, found.style))
        to.print(line.append(f": {printable(found.said)}" if found.said else ""), soft_wrap=True)
        codes.add(found.code)
    raise typer.Exit(1 if 1 in codes else max(codes))


def _verdict(path: Path) -> Verdict:
    try:
        if recognise(path) is None:
            return Verdict("not verified", "found no format that is known", "yellow", 2)
        with open_checkpoint(path) as reader:
            damaged = list(reader.verify())
            entries = reader.entries()
    except Unsupported as error:
        return Verdict("keeps no checksums", error.reason, "yellow", 2)
    except UsageError as error:
        return Verdict("not verified", str(error), "yellow", 2)
    except CheckpointError as error:
        said = " ".join(str(error).split()).removeprefix(f"{path}: ")
        is_there = path.exists() or Path(f"{path}.index").exists()
        if not is_there or isinstance(error.__cause__, OSError):
            return Verdict("not verified", said, "yellow", 2)
        return Verdict("damaged", said, "bold red", 1)
    if damaged:
        name, how = damaged[0]
        more = f"; and {count(len(damaged) - 1, 'more entry', 'more entries')}" if len(damaged) > 1 else ""
        return Verdict("damaged", f"{name}: {how}{more}" if name else f"{how}{more}", "bold red", 1)
    held = sum(form.nbytes for form in entries.values())
    return Verdict("ok", f"{count(len(entries), 'entry', 'entries')}, {size(held)}", "green", 0)
