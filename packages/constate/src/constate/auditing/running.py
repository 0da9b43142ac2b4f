"""Targets, each audited in a process of its own, within a bound of time and memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from constate import memory
from constate.auditing.audited import Audited, Stage
from constate.auditing.report import Outcome, Report
from constate.errors import UsageError
from constate.verdicts import Verdict
from constate.workers import Worker, WorkerLost

SHARE = 0.8
"""Which part of the free memory all workers together may take, where no bound is given."""

Progress = Callable[[str, str, int], None]
"""Called with a target, what became of it last, and how many laws are done; from several threads."""


@dataclass(frozen=True)
class Target:
    """What to audit."""

    name: str
    inputs: tuple[str, ...] | None = None
    """Descriptions such as ``f32[8,16]``."""
    inputs_from: str | None = None
    """Where the inputs are: ``pkg.mod:name``, or ``:name`` in the module of the target."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the class is built with."""


@dataclass(frozen=True)
class Limits:
    """How long and how large a worker may grow."""

    law: float = 120.0
    """Seconds for one law."""
    build: float = 180.0
    """Seconds for importing, and again for building."""
    memory: int | None = None
    """Bytes that one worker and what it starts may hold; a share of what is free by default."""

    def bound(self, jobs: int) -> int | None:
        """The bytes for one of so many workers. Raises ``UsageError`` for a bound that cannot be kept."""
        if memory.can_be_watched():
            free = memory.free()
            return self.memory or (None if free is None else int(SHARE * free / jobs))
        if self.memory is not None:
            raise UsageError("this system does not say what a process holds, so that memory cannot be bounded")
        return None


class _Failed(Exception):
    """The target cannot be audited."""

    def __init__(self, why: str, stage: Stage) -> None:
        super().__init__(why)
        self.stage = stage


@dataclass
class _Run:
    """One target, its worker, and what is known so far."""

    target: Target
    codes: Sequence[str]
    limits: Limits
    distributed: bool
    make_worker: Callable[[], Worker]
    stopping: threading.Event
    progress: Progress
    worker: Worker | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    no_pass: str = ""
    backend: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def audited(self) -> Audited:
        begun = time.monotonic()
        self.worker = self.make_worker()
        try:
            while self._waiting() and not self.stopping.is_set():
                try:
                    self._prepare()
                except _Failed as failure:
                    if not self.outcomes:
                        spent = time.monotonic() - begun
                        return Audited.failed(self.target.name, self.codes, str(failure), failure.stage, spent)
                    for code in self._waiting():
                        self._enter(Outcome(code, Verdict.UNTESTED, f"could not be begun again: {failure}"))
                self._laws()
        finally:
            self.worker.stop()
            self.worker = None
        found = tuple(self.outcomes[code] for code in self.codes if code in self.outcomes)
        report = Report(self.target.name, self.backend, found, {}, self.versions)
        return Audited(report, seconds=time.monotonic() - begun)

    def close(self) -> None:
        """End the worker, from another thread."""
        worker = self.worker
        if worker is not None:
            worker.close()

    def _waiting(self) -> list[str]:
        return [code for code in self.codes if code not in self.outcomes]

    def _enter(self, outcome: Outcome) -> None:
        self.outcomes[outcome.law] = outcome
        self.progress(self.target.name, f"{outcome.law} {outcome.verdict}", len(self.outcomes))

    def _prepare(self) -> None:
        """Bring a new worker to where laws can be tried; a pass that ends the process is not tried again."""
        target, limit = self.target, self.limits.build
        self.progress(target.name, "is built", len(self.outcomes))
        self._step("importing it", limit, Stage.CALL, do="find", target=target.name, arguments=dict(target.arguments),
                   inputs_from=target.inputs_from)  # fmt: skip
        self._step("building it", limit, Stage.BUILD, do="make")
        given = target.inputs is not None or target.inputs_from is not None
        request = {"do": "build", "inputs": target.inputs, "distributed": self.distributed}
        try:
            begun = self._ask(limit, Stage.BUILD, **request, no_pass=self.no_pass)
            if not self.no_pass:
                self._ask(self.limits.law, Stage.BUILD, do="run")
        except WorkerLost as error:
            if self.no_pass or self.stopping.is_set():
                raise _Failed(f"while building it, {error}", Stage.LOST) from None
            what = "a pass on a fresh instance" if given else "a pass to find out what it takes"
            self.no_pass = f"{what} was tried, and {error}"
            self._prepare()
        else:
            self.backend, self.versions = begun["backend"], begun["versions"]

    def _step(self, what: str, limit: float, stage: Stage, **request: Any) -> dict[str, Any]:
        try:
            return self._ask(limit, stage, **request)
        except WorkerLost as error:
            raise _Failed(f"while {what}, {error}", Stage.LOST) from None

    def _ask(self, limit: float, stage: Stage, **request: Any) -> dict[str, Any]:
        assert self.worker is not None
        answer = self.worker.ask(request, limit)
        if "error" in answer:
            raise _Failed(answer["error"], stage)
        return answer

    def _laws(self) -> None:
        """Try laws until there are no more, or the worker is lost."""
        assert self.worker is not None
        for code in self._waiting():
            begun = time.monotonic()
            try:
                self._enter(Outcome.from_json(self.worker.ask({"do": "law", "code": code}, self.limits.law)))
            except WorkerLost as error:
                if not self.stopping.is_set():
                    spent = time.monotonic() - begun
                    self._enter(Outcome(code, Verdict.UNTESTED, str(error), seconds=spent))
                return


def run(
    targets: Sequence[Target],
    codes: Sequence[str],
    *,
    jobs: int | None = None,
    limits: Limits = Limits(),
    distributed: bool = False,
    progress: Progress = lambda target, last, done: None,
) -> Generator[Audited]:
    """Audit targets, several at a time, and give each in the order in which they were named.

    Args:
        targets: what to audit.
        codes: the laws to try.
        jobs: how many workers run at a time; as many as there are cores by default.
        limits: a worker that exceeds them is stopped, and the law that it was at is ``untested``.
        distributed: whether laws may start processes of their own.
        progress: called as things happen.
    """
    cores = os.cpu_count() or 1
    jobs = max(1, min(jobs or cores, len(targets)))
    bound = limits.bound(jobs)
    stopping = threading.Event()
    environment = {"OMP_NUM_THREADS": str(max(1, cores // jobs))}

    def worker() -> Worker:
        return Worker("constate.auditing.worker", limit=bound, environment=environment)

    runs = [_Run(target, codes, limits, distributed, worker, stopping, progress) for target in targets]
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(_Run.audited, runs)
        finally:  # also where the user interrupts: the threads come to an end when their workers are gone
            stopping.set()
            for each in runs:
                each.close()
