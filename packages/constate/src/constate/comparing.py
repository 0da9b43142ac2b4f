"""The catalogue in every backend, each backend and flavour in a process of its own."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from constate import workers
from constate.laws import get_law
from constate.verdicts import Cell, Verdict
from constate.workers import WorkerLost


class Worker(workers.Worker):
    """A worker for one backend in one flavour."""

    def __init__(self, backend: str, flavour: str) -> None:
        # Several workers run at a time, each with small arrays: more threads would only wait for one another.
        super().__init__("constate.worker", backend, flavour, environment={"OMP_NUM_THREADS": "1"})
        self.backend, self.flavour = backend, flavour

    @property
    def versions(self) -> dict[str, str]:
        """What it runs on; empty before it has come up."""
        found: dict[str, str] = self.hello.get("versions", {})
        return found

    @property
    def formats(self) -> list[str]:
        """The file formats of the backend."""
        found: list[str] = self.hello.get("formats", [])
        return found

    @property
    def devices(self) -> list[str]:
        """The devices that there are to move to."""
        found: list[str] = self.hello.get("devices", [])
        return found


@dataclass
class Comparison:
    """What a run found."""

    cells: list[Cell] = field(default_factory=list)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    """One line for every worker that died or hung."""
    unknown: list[str] = field(default_factory=list)
    """The chosen formats and the chosen device, if no backend has them; nothing was run then."""


@dataclass
class _Row:
    """One backend in one flavour, with what is left to do."""

    worker: Worker
    modules: Sequence[str]
    laws: Sequence[str]
    limit: float
    exchange: Path
    device: str | None
    chosen_formats: Sequence[str]
    report: Callable[[Cell, int], None]
    stopping: threading.Event
    cells: list[Cell] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.worker.backend}, {self.worker.flavour}"

    def publish(self) -> None:
        for module in self.modules:
            if self.stopping.is_set():
                return
            try:
                self.worker.ask({"law": None, "module": module, "exchange": str(self.exchange)}, self.limit)
            except WorkerLost as error:
                self.lost.append(f"{self.name}, writing {module} for the others: {error}")

    def run(self, chosen: Callable[[str], bool]) -> None:
        for module in self.modules:
            for code in filter(chosen, self.laws):
                for format in self._formats(code):
                    if self.stopping.is_set():
                        return
                    cell = self._cell(module, code, format)
                    if self.stopping.is_set():
                        return
                    self.cells.append(cell)
                    self.report(cell, self._total())

    def _total(self) -> int:
        return len(self.modules) * sum(len(self._formats(code)) for code in self.laws)

    def _formats(self, code: str) -> Sequence[str | None]:
        if not get_law(code).per_format or not self.worker.formats:
            return [None]
        return [format for format in self.worker.formats if format in (self.chosen_formats or [format])]

    def _cell(self, module: str, code: str, format: str | None) -> Cell:
        begun = time.monotonic()
        request = {"law": code, "module": module, "format": format}
        request |= {"exchange": str(self.exchange), "device": self.device, "scratch": str(self.exchange.parent)}
        try:
            return Cell.from_json(self.worker.ask(request, self.limit))
        except WorkerLost as error:
            where = f"{module} {code}{f' {format}' if format else ''}"
            self.lost.append(f"{self.name}, {where}: {error}")
            backend, flavour, seconds = self.worker.backend, self.worker.flavour, time.monotonic() - begun
            return Cell(backend, flavour, module, code, format, Verdict.UNTESTED, str(error), seconds=seconds)


def _unknown(workers: Sequence[Worker], formats: Sequence[str], device: str | None) -> list[str]:
    if not all(worker.versions or worker.formats for worker in workers):
        return []  # one that did not come up might have them
    known = {format for worker in workers for format in worker.formats}
    missing = [f"format {format!r}" for format in formats if format not in known]
    if device is not None and not any(device in worker.devices for worker in workers):
        missing.append(f"device {device!r}")
    return missing


def compare(
    backends: Sequence[str],
    flavours: Sequence[str],
    modules: Sequence[str],
    laws: Sequence[str],
    *,
    jobs: int | None = None,
    limit: float = 120.0,
    device: str | None = None,
    formats: Sequence[str] = (),
    report: Callable[[Cell, int], None] = lambda cell, total: None,
) -> Comparison:
    """Run laws on modules in backends, and report each cell as it is done.

    Args:
        backends: names of installed backends.
        flavours: ``native``, ``constate`` or both.
        modules: names of catalogue modules.
        laws: codes of laws.
        jobs: how many workers run at a time; as many as there are cores by default.
        limit: seconds for one cell; a worker that takes longer is stopped, and the cell is ``untested``.
        device: the device that the laws of placement move to; every one that a backend has by default.
        formats: for the laws that run once per format, those to run; all that a backend has by default.
        report: called with every cell and the number of cells of its backend and flavour, from several threads.

    A worker that dies costs the cell that it was at; the next cell gets a new worker.
    """
    result = Comparison()
    with tempfile.TemporaryDirectory(prefix="constate-", ignore_cleanup_errors=True) as folder:
        exchange, stopping = Path(folder, "exchange"), threading.Event()
        rows = [
            _Row(Worker(backend, flavour), modules, laws, limit, exchange, device, formats, report, stopping)
            for backend in backends
            for flavour in flavours
        ]
        meets = any(code.startswith("X") for code in laws)

        def begin(row: _Row) -> None:
            with contextlib.suppress(WorkerLost):  # formats and devices are known then; if not, a cell says why
                row.worker.start()

        def first(row: _Row) -> None:
            if meets:
                row.publish()
            row.run(lambda code: not code.startswith("X"))

        with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
            try:
                list(pool.map(begin, rows))
                result.unknown = _unknown([row.worker for row in rows], formats, device)
                if not result.unknown:
                    list(pool.map(first, rows))
                    # What the laws of interchange read is complete only now.
                    list(pool.map(lambda row: row.run(lambda code: code.startswith("X")), rows))
            finally:  # also where the user interrupts: the threads come to an end when their workers are gone
                stopping.set()
                for row in rows:
                    row.worker.kill()
        for row in rows:
            row.worker.stop()
    for row in rows:
        result.cells += row.cells
        result.lost += row.lost
        result.versions[row.worker.backend] = row.worker.versions or result.versions.get(row.worker.backend, {})
    return result
