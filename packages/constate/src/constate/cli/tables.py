"""How entries of a checkpoint are printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from itertools import islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from constate.checkpoint.formats import Form
from constate.errors import printable

LIMIT = 100
"""Rows of a table on a terminal, unless asked for more."""


def console() -> Console:
    """Standard output: as wide as it is, and where it is no terminal as wide as what is printed, for ``grep``."""
    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=1_000_000 if plain else None)


def print_rows(to: Console, heads: Sequence[str], rows: Iterable[Sequence[str]], of: int, limit: int | None) -> None:
    """Print a table of the first rows, and how many there are more. Numbers of bytes stand to the right.

    Args:
        to: where.
        heads: what stands above the columns.
        rows: as they come from a file.
        of: how many there are.
        limit: how many are shown; ``LIMIT`` if left out, all if 0.
    """
    table = Table(header_style="bold")
    for head in heads:
        table.add_column(head, justify="right" if head == "bytes" else "left", overflow="fold")
    shown = of if limit == 0 else min(of, limit or LIMIT)
    for row in islice(rows, shown):
        table.add_row(*(Text(printable(cell)) for cell in row))
    if shown:
        to.print(table)
    if shown < of:
        to.print(f"… {of - shown:,} more: --limit 0 shows all, --json writes all", style="dim", soft_wrap=True)


def size(number: int) -> str:
    """``4.8 KiB``."""
    value, units = float(number), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{number} {units[0]}" if number < 1024 else f"{value:.1f} {units[0]}"


def count(number: int, what: str, plural: str = "") -> str:
    """``1 entry``, ``1,000 entries``."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def described(form: Form) -> str:
    """``float32[8, 16]``."""
    return f"{form.dtype}[{', '.join(map(str, form.shape))}]"
