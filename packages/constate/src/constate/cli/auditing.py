"""What ``constate check`` shows while it runs, and where its report goes."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from constate.auditing.audited import Audited, Stage
from constate.auditing.rules import Rule
from constate.cli.writing import complain, require_folder, write
from constate.reporting.audits import Format, json_lines, render
from constate.reporting.audits.page import Overview
from constate.reporting.audits.page import render as render_page
from constate.reporting.audits.terminal import print_audited, print_overview, print_summary
from constate.reporting.results import machine

PAGE = ("index.html", "audits.jsonl")


class Following:
    """A line for every target at work, on standard error where that is a terminal."""

    def __init__(self, laws: int) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[last]}", style="dim"),
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=not console.is_terminal,
        )
        self._laws = laws
        self._tasks: dict[str, TaskID] = {}
        self._counting: TaskID | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Following:
        self._progress.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._progress.stop()

    def advance(self, target: str, last: str, done: int) -> None:
        """What became of a target last, and how many of its laws are done. From any thread."""
        with self._lock:
            if target not in self._tasks:
                self._tasks[target] = self._progress.add_task(target, total=self._laws, last=last)
            self._progress.update(self._tasks[target], completed=done, last=last)

    def count(self, module: str, done: int, of: int) -> None:
        """How many modules of a package are imported."""
        with self._lock:
            if self._counting is None:
                self._counting = self._progress.add_task("importing", last="")
            self._progress.update(self._counting, total=of, completed=done + 1, last=module, visible=done + 1 < of)

    def show(self, target: str, act: Callable[[], None]) -> None:
        """Print something of a target that is done, in the place of its line."""
        with self._lock:
            self._remove(target)
            self._progress.stop()  # what is printed meanwhile would be mixed with the lines
            act()
            self._progress.start()

    def _remove(self, target: str) -> None:
        if target in self._tasks:
            self._progress.remove_task(self._tasks.pop(target))


@dataclass(frozen=True)
class Rest:
    """What of a package was not audited."""

    title: str
    unbuilt: Mapping[str, str] = field(default_factory=dict)
    """By class: why none was made."""
    unimported: Mapping[str, str] = field(default_factory=dict)
    """By module: why it cannot be imported."""


class Output:
    """Where a report goes: to standard output as targets are done, to a file, or to a folder as a page.

    Args:
        format: of the file where there is one, and then standard output is for a person; else of standard output.
        place: a file; or a folder, where it ends with a slash or is one.
        rules: the laws that are tried.
        number: how many targets there are; ``None`` for a whole package, of which a terminal shows an overview.
    """

    def __init__(self, format: Format, place: str | None, rules: Mapping[str, Rule], number: int | None) -> None:
        is_folder = place is not None and (number is None or place.endswith("/") or Path(place).is_dir())
        self.folder = Path(place) if place is not None and is_folder else None
        self._file = Path(place) if place is not None and not is_folder else None
        self._format, self._rules, self._number = format, rules, number
        self._for_a_person = format is Format.TERMINAL or self._file is not None
        self._date = datetime.now(UTC).isoformat(timespec="seconds")
        self._console = Console()
        if self.folder is not None:
            require_folder(self.folder, PAGE)
        elif self._file is not None:
            require_folder(self._file.parent, [self._file.name])

    def add(self, audited: Audited) -> None:
        """Show a target."""
        if audited.stage is Stage.CALL:
            complain(audited.error if self._number == 1 else f"{audited.target}: {audited.error}")
        if not self._for_a_person:
            if self._format.by_target:
                _emit(self._text([audited]))
        elif self._number is not None and audited.stage is not Stage.CALL:
            print_audited(self._console, audited, self._rules)

    def finish(self, targets: Sequence[Audited], rest: Rest) -> None:
        """Write what needs all targets."""
        if self._file is not None:
            write(self._file, self._text(targets))
        elif not self._format.by_target:
            _emit(self._text(targets))
        if self.folder is not None:
            overview = Overview(rest.title, targets, self._rules, self._date, machine(), rest.unbuilt, rest.unimported)
            for name, text in zip(PAGE, (render_page(overview), json_lines(targets)), strict=True):
                write(self.folder / name, text)
        if self._for_a_person and any(audited.stage is not Stage.CALL for audited in targets):
            if self._number is None:
                print_overview(self._console, targets, rest.unbuilt, rest.unimported)
            print_summary(self._console, targets)
            written = self._file or (self.folder / PAGE[0] if self.folder else None)
            if written is not None:
                self._console.print(f"written to {written}", style="dim", soft_wrap=True, highlight=False)

    def _text(self, targets: Sequence[Audited]) -> str:
        if self._format is not Format.TERMINAL:
            return render(self._format, targets, self._rules, self._date, Path.cwd())
        plain = io.StringIO()
        console = Console(file=plain, width=120)
        for audited in targets:
            print_audited(console, audited, self._rules)
        print_summary(console, targets)
        return plain.getvalue()


def _emit(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
