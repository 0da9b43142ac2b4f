"""Two replicas of a module under ``DistributedDataParallel``, in two processes of this machine (gloo)."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from constate.errors import Unsupported
from constate.instruments import Replica
from constate.instruments.inputs import Call
from constate.state import Array

WORLD = 2
WAIT = timedelta(seconds=60)


def replicas(factory: Callable[[], Any], calls: Sequence[Call], steps: int) -> list[Replica]:
    """The state of each replica at construction and after the steps; the calls alternate between the replicas.

    Raises:
        Unsupported: the factory cannot be sent to another process.
    """
    try:
        pickle.dumps(factory)
    except Exception as error:
        raise Unsupported(
            "the factory cannot be sent to other processes; give one that is defined at the level of an importable file"
        ) from error
    with tempfile.TemporaryDirectory(prefix="constate-") as folder:
        # A process each, started afresh: threads of this one would not survive a fork.
        spawn(_replica, (factory, list(calls), steps, folder), nprocs=WORLD)  # type: ignore[no-untyped-call]
        return [pickle.loads(Path(folder, str(rank)).read_bytes()) for rank in range(WORLD)]


def _replica(rank: int, factory: Callable[[], Any], calls: list[Call], steps: int, folder: str) -> None:
    from constate_torch.auditing.instruments import Torch

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD, timeout=WAIT)
    try:
        instruments = Torch(factory)
        module = instruments.build(rank)
        trained = any(parameter.requires_grad for parameter in module.parameters())
        wrapped = torch.nn.parallel.DistributedDataParallel(module) if trained else module

        def state() -> dict[str, Array]:
            found = {path: instruments.read(module, path) for path in instruments.entries(module)}
            for holding in instruments.holdings(module):
                if instruments.is_array(holding.value):
                    found[holding.path] = instruments.value(holding.value)
            return found

        born = state()
        for step in range(steps):
            instruments.train(wrapped, [calls[step * WORLD + rank]], "sgd", seed=step)
        Path(folder, str(rank)).write_bytes(pickle.dumps((born, state())))
    finally:
        dist.destroy_process_group()
