"""Processes with ``torch.distributed`` between them (gloo), in which replicas live; and what each of them does."""

from __future__ import annotations

import multiprocessing
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from constate.backend import REPLICAS
from constate.errors import UsageError

Found = TypeVar("Found")

WAIT = 240
"""Seconds for one piece of work, the start of the processes included."""


class _Pool:
    """The processes. Started afresh, because threads of this process would not survive a fork, and kept: starting takes
    longer than any work."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._folder = tempfile.TemporaryDirectory(prefix="constate-")
        pipes = [context.Pipe() for _ in range(REPLICAS)]
        self._ends = [end for end, _ in pipes]
        self._processes = [
            context.Process(target=_serve, args=(rank, end, self._folder.name), daemon=True)
            for rank, (_, end) in enumerate(pipes)
        ]
        for process, (_, end) in zip(self._processes, pipes, strict=True):
            process.start()
            end.close()

    def run(self, work: Callable[[int], Any]) -> list[Any]:
        for end in self._ends:
            end.send(work)
        found = []
        for rank, end in enumerate(self._ends):
            if not end.poll(WAIT):
                raise TimeoutError(f"replica {rank} has not answered for {WAIT} seconds")
            value, fault = end.recv()
            if fault:
                raise RuntimeError(f"replica {rank}: {fault}")
            found.append(value)
        return found

    def close(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()
        self._folder.cleanup()


_pools: list[_Pool] = []


def on_each(work: Callable[[int], Found]) -> list[Found]:
    """What ``work`` gives for the number of each of ``REPLICAS`` processes.

    Args:
        work: run in every process, with collectives between them; it can be pickled.

    Raises:
        UsageError: this build of PyTorch has no gloo.
        RuntimeError: it failed in one of them.
        TimeoutError: one of them does not answer.
    """
    if not (dist.is_available() and dist.is_gloo_available()):
        raise UsageError("this build of PyTorch has no gloo, by which processes on CPUs talk; install one that has it")
    if not _pools:
        _pools.append(_Pool())
    try:
        return _pools[0].run(work)
    except BaseException:  # one may be waiting for another for ever: begin anew the next time
        _pools.pop().close()
        raise


def local(tensor: Tensor) -> Tensor:
    """What this process has of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _serve(rank: int, end: Connection, folder: str) -> None:
    torch.set_num_threads(1)
    store = Path(folder, "store").as_uri()
    wait = timedelta(seconds=WAIT)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=REPLICAS, timeout=wait)
    while True:
        try:
            work = end.recv()
        except EOFError:
            return
        try:
            answer = work(rank), ""
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            answer = None, f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        end.send(answer)
