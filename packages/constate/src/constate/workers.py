"""Processes that answer requests, so that whatever happens in one of them costs one answer.

Each line in is a request, each line out the answer, both JSON. Here are both ends.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import re
import selectors
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from constate import memory

START_LIMIT = 180.0
"""Seconds that a worker may take to come up."""
POLL = 0.05
"""Seconds between two looks at what a worker holds."""
DUMP = 0.5
"""Seconds that a worker gets to say where it is before it is stopped."""
GOING = 2.0
"""Seconds in which a parent that has closed the pipe may turn out to be dying."""
LOG_TAIL = 1 << 16
_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in ', re.MULTILINE)


class WorkerLost(Exception):
    """A worker died or had to be killed."""


class Worker:
    """The parent's end of a worker process. Started on first use, and again after it was lost.

    Args:
        module: run by ``python -m``; it answers through ``channel``, first with a hello.
        arguments: of the command line.
        limit: bytes that it and what it starts may hold; it is stopped when it holds more.
        environment: variables that the worker gets where the user has not set them.
    """

    def __init__(
        self, module: str, *arguments: str, limit: int | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.hello: dict[str, Any] = {}
        # -P: a file of the user's folder that is called as one of the standard library is not in its place.
        self._command = [sys.executable, "-P", "-m", module, *arguments]
        self._limit = limit
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._failed_starts = 0
        self._refusal: WorkerLost | None = None
        self._closed = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the worker
        self._pending = b""

    def ask(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        """Send a request and wait for its answer, ``limit`` seconds at most.

        Raises:
            WorkerLost: the process ended, or was killed because it did not answer in time or took too much memory.
        """
        process = self.start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._lost() from None
        return self._answer(limit)

    def start(self) -> subprocess.Popen[bytes]:
        """The process, when it has come up. One that twice did not is not tried again."""
        if self._refusal is not None:
            raise self._refusal
        if self._closed:
            raise WorkerLost("the run was stopped")
        if self._process is None:
            self._pending = b""
            self._log.seek(0)
            self._log.truncate()
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
                env={**self._environment, **os.environ},
            )
            self._kill_if_closed()  # by another thread, which did not see this process yet
            try:
                self.hello = self._answer(START_LIMIT)
            except WorkerLost as error:
                self._failed_starts += 1
                if not self.hello and self._failed_starts > 1:
                    self._refusal = error
                raise
        return self._process

    def _answer(self, limit: float) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        end = time.monotonic() + limit
        held = None if self._limit is None else memory.Held(self._process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                left = max(0.0, end - time.monotonic())
                if selector.select(min(left, 1.0 if held is None else POLL)):
                    chunk = os.read(pipe, 1 << 16)
                    if not chunk:
                        raise self._lost()
                    self._pending += chunk
                elif self._process.poll() is not None:  # what it started may still hold the pipe open
                    raise self._lost()
                elif not left:
                    raise self._stopped(f"no answer within {limit:g} s")
                elif held is not None and self._limit is not None and held.exceeds(self._limit):
                    raise self._stopped(f"it took more than {self._limit / 2**30:.3g} GiB of memory")
        line, self._pending = self._pending.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _stopped(self, why: str) -> WorkerLost:
        assert self._process is not None
        before = os.fstat(self._log.fileno()).st_size
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)  # makes it write where it is
        end = time.monotonic() + DUMP
        while time.monotonic() < end and not _FRAME.search(self._written(before)) and self._process.poll() is None:
            time.sleep(0.01)
        where = _place(self._written(before))
        self.stop()
        return WorkerLost(f"the worker was stopped: {why}{where}")

    def _lost(self) -> WorkerLost:
        assert self._process is not None
        code = self._process.wait()
        self.stop()
        log = self._written(0)
        if code < 0:
            return WorkerLost(f"the worker was killed by {signal.Signals(-code).name}{_place(log)}")
        lines = log.strip().splitlines()
        return WorkerLost(f"the worker ended with exit code {code}{f': {lines[-1].strip()[:200]}' if lines else ''}")

    def _written(self, since: int) -> str:
        """The end of what the process wrote to standard error; its own place in the file stays where it is."""
        size = os.fstat(self._log.fileno()).st_size
        begin = max(since, size - LOG_TAIL)
        return os.pread(self._log.fileno(), size - begin, begin).decode(errors="replace")

    def kill(self) -> None:
        """End the process and whatever it started. From any thread: one that waits for an answer sees the end."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _kill_if_closed(self) -> None:
        if self._closed:
            self.kill()

    def close(self) -> None:
        """End the process, and start none any more. From any thread."""
        self._closed = True
        self.kill()

    def stop(self) -> None:
        """End the process, and be done with it."""
        if self._process is None:
            return
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process = None


def _place(log: str) -> str:
    """`` at model.py:12`` from what ``faulthandler`` wrote: the innermost line that is not in a library."""
    frames = list(_FRAME.finditer(log[max(0, log.rfind("(most recent call first)")) :]))
    libraries = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    own = [frame for frame in frames if not frame["file"].startswith((*libraries, "<"))]
    return "".join(f" at {Path(frame['file']).name}:{frame['line']}" for frame in (own or frames)[:1])


def channel() -> tuple[Iterator[dict[str, Any]], Callable[[dict[str, Any]], None]]:
    """The worker's end: the requests, and what to call with an answer.

    From here on what anybody prints goes to standard error, and there is nothing to read on standard input. The process
    ends with its parent, also in the middle of an answer.
    """
    answers, requests = os.fdopen(os.dup(1), "w", encoding="utf-8"), os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faulthandler.enable(all_threads=False)
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    parent = os.getppid()

    def read() -> None:
        for line in requests:
            lines.put(line)
        # A parent that dies closes the pipe a moment before it is gone. Were the conversation over then, this process
        # would end by itself, and what it has started would be left behind.
        end = time.monotonic() + GOING
        while os.getppid() == parent and time.monotonic() < end:
            time.sleep(0.02)
        if os.getppid() == parent:
            lines.put(None)
        while os.getppid() == parent:
            time.sleep(0.2)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    def answer(data: dict[str, Any]) -> None:
        answers.write(json.dumps(data) + "\n")
        answers.flush()

    threading.Thread(target=read, daemon=True).start()
    return map(json.loads, iter(lines.get, None)), answer
