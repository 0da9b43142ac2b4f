"""What two processes save and load together: state that is spread over them by rows, by columns, and not at all."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed import checkpoint as dcp
from torch.distributed._shard import sharded_tensor
from torch.distributed._shard.sharding_spec import ChunkShardingSpec
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

PROCESSES = 2


def rows() -> torch.Tensor:
    """Seven rows: one process has four of them, the other three."""
    return torch.arange(35, dtype=torch.float32).reshape(7, 5)


def columns() -> torch.Tensor:
    """Of a dtype that NumPy does not know by itself."""
    return torch.arange(24, dtype=torch.float32).reshape(4, 6).to(torch.bfloat16)


def meet(rank: int, folder: Path) -> DeviceMesh:
    """The processes, which find each other beside the folder."""
    os.environ["OMP_NUM_THREADS"] = "1"
    meeting = folder.with_name(f"meeting for {folder.name}")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=PROCESSES)
    return init_device_mesh("cpu", (PROCESSES,))


def save(rank: int, folder: Path) -> None:
    """The work of one process that saves."""
    mesh = meet(rank, folder)
    halves = sharded_tensor.empty(
        ChunkShardingSpec(dim=0, placements=[f"rank:{number}/cpu" for number in range(PROCESSES)]), 4, 3
    )
    halves.local_shards()[0].tensor.copy_(torch.full((2, 3), float(rank)))
    state = {
        "model": {
            "rows.weight": distribute_tensor(rows(), mesh, [Shard(0)]),
            "columns.weight": distribute_tensor(columns(), mesh, [Shard(1)]),
            "everywhere": distribute_tensor(torch.tensor([1 + 2j, -3j]), mesh, [Replicate()]),
            "halves": halves,
        },
        "steps": torch.tensor(7),
        "optimizer": {"lr": 0.125, "betas": (0.5, 0.75)},
    }
    dcp.save(state, checkpoint_id=folder)
    dist.destroy_process_group()


def load(rank: int, folder: Path) -> None:
    """The work of one process that loads its part, and puts it beside the folder."""
    mesh = meet(rank, folder)
    state = {
        "model.rows.weight": distribute_tensor(torch.zeros_like(rows()), mesh, [Shard(0)]),
        "model.columns.weight": distribute_tensor(torch.zeros_like(columns()), mesh, [Shard(1)]),
    }
    dcp.load(state, checkpoint_id=folder)
    torch.save({name: tensor.to_local() for name, tensor in state.items()}, folder.with_name(f"part {rank}"))
    dist.destroy_process_group()
