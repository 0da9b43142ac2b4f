"""A bar for what takes longer than a second, where a person looks at a terminal.

Nothing is imported, drawn or kept before that second has passed. There is one bar at a time: what begins within
something that may show one goes on with it.
"""

from __future__ import annotations

import sys
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from constate.errors import printable

PATIENCE = 1.0
"""Seconds without a bar."""
INTERVAL = 0.1
"""Seconds between two changes of it."""
SMALL = 16 << 20
"""Bytes with which nothing takes as long as that."""
Report: TypeAlias = Callable[[str, int], object]
"""Is told that an entry, or a part of it, is done, and how many bytes that is."""


@contextmanager
def progress(what: str, total: int | None = None, report: Report | None = None) -> Iterator[Report | None]:
    """Show a bar on standard error if the block takes longer than a second, and remove it at the end.

    There is none where standard error is no terminal, in another thread than the main one, or where a report is given,
    which is told instead. Also a decorator.

    Args:
        what: what is done.
        total: how many bytes there are. Where it is left out, what is begun within says it, and if that is much.
        report: takes the place of the bar.

    Yields:
        What to tell of everything that is done; ``None`` where nobody wants to know.
    """
    global _bar
    small = _bar is None and total is not None and total < SMALL
    if report is not None or small or not _is_watched():
        yield report
        return
    outer = _bar
    _bar = bar = outer or _Bar(what)
    try:
        yield bar.stage(what, total)
    finally:
        if outer is None:
            _bar = None
            bar.end()
        else:
            bar.stage(bar.title, None)


def _is_watched() -> bool:
    try:
        return sys.stderr.isatty() and threading.current_thread() is threading.main_thread()
    except (AttributeError, ValueError):  # there is no standard error, or it is closed
        return False


class _Bar:
    """What is shown, from a second thread."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._begun = time.monotonic()
        self._ended = threading.Lock()  # released at the end
        self._drawing = threading.Lock()
        self._display: Any = None
        self._task: Any = None
        self._what, self._total, self._done, self._shown = "", None, 0, 0.0  # type: tuple[str, int | None, int, float]

    def stage(self, what: str, total: int | None) -> Report:
        """Begin something. What is small needs no thread."""
        self._what, self._total, self._done, self._shown = printable(what), total, 0, 0.0
        if (total or 0) >= SMALL and self._ended.acquire(blocking=False):
            start_new_thread(self._wait, ())  # of a Thread one waits until it runs
        if self._display is not None:
            self._draw("")
        return self._advance

    def end(self) -> None:
        """Remove the bar; from here on none is drawn."""
        if self._ended.locked():
            self._ended.release()
        with self._drawing:
            if self._display is not None:
                self._display.stop()

    def _advance(self, name: str, size: int) -> None:
        self._done += size
        if self._display is not None and (now := time.monotonic()) - self._shown > INTERVAL:
            self._shown = now
            self._draw(printable(name))

    def _draw(self, last: str) -> None:
        self._display.tasks[0].total = self._total  # update takes None for no change
        self._display.update(self._task, description=self._what, completed=self._done, last=last)

    def _wait(self) -> None:
        if self._ended.acquire(timeout=max(0, self._begun + PATIENCE - time.monotonic())):
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}", style="dim", markup=False),
        )
        display = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
        with self._drawing:
            if self._ended.acquire(blocking=False) or not console.is_interactive:
                return
            self._task = display.add_task(self._what, total=self._total, completed=self._done, last="")
            display.start()
            self._display = display


_bar: _Bar | None = None
