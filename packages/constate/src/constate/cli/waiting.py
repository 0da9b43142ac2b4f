"""A progress bar for what takes longer than a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from constate.errors import printable

PATIENCE = 1.0
"""Seconds without a bar."""
INTERVAL = 0.1
"""Seconds between two changes of it."""


class Advance(Protocol):
    def __call__(self, name: str, size: int) -> None:
        """An entry is done, and so many bytes with it."""


@contextmanager
def bar(what: str, total: int | None = None) -> Iterator[Advance]:
    """Count bytes on standard error, where that is a terminal.

    Args:
        what: what is done.
        total: how many bytes there are; where nobody knows, the bar only moves.
    """
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        *(() if total is None else (DownloadColumn(binary_units=True), TimeRemainingColumn())),
        TextColumn("{task.fields[last]}", style="dim", markup=False),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    )
    task = progress.add_task(printable(what), total=total, last="")

    done, shown = 0, 0.0

    def advance(name: str, size: int) -> None:
        nonlocal done, shown
        done += size
        if (now := time.monotonic()) - shown > INTERVAL:  # a million small entries are not drawn one by one
            shown = now
            progress.update(task, completed=done, last=printable(name))

    timer = threading.Timer(PATIENCE, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield advance
    finally:
        timer.cancel()
        timer.join()
        progress.stop()
