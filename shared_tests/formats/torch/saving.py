"""What processes save and load together: state that is spread over them by rows, by columns, and not at all."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import checkpoint as dcp
from torch.distributed._shard import sharded_tensor
from torch.distributed._shard.sharding_spec import ChunkShardingSpec
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.placement_types import Placement


def rows() -> Tensor:
    """Seven rows, which no number of processes divides."""
    return torch.arange(35, dtype=torch.float32).reshape(7, 5)


def columns() -> Tensor:
    """Six columns, of which the last of four processes has none; of a dtype that NumPy does not know by itself."""
    return torch.arange(24, dtype=torch.float32).reshape(4, 6).to(torch.bfloat16)


def grid() -> Tensor:
    """Spread over both dimensions of a grid of processes."""
    return torch.arange(35, dtype=torch.int64).reshape(5, 7)


def replicated() -> Tensor:
    """Each process has all of it."""
    return torch.tensor([1 + 2j, -3j])


SPREAD: dict[str, tuple[Tensor, Placement]] = {
    "rows.weight": (rows(), Shard(0)),
    "columns.weight": (columns(), Shard(1)),
    "everywhere": (replicated(), Replicate()),
}


def meet(rank: int, processes: int, folder: Path) -> DeviceMesh:
    """The processes, which find each other beside the folder."""
    os.environ["OMP_NUM_THREADS"] = "1"
    meeting = folder.with_name(f"meeting of {processes} for {folder.name}")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    return init_device_mesh("cpu", (processes,))


def save(rank: int, processes: int, folder: Path) -> None:
    """The work of one process that saves."""
    mesh = meet(rank, processes, folder)
    plane = init_device_mesh("cpu", (processes // 2, 2))
    halves = sharded_tensor.empty(
        ChunkShardingSpec(dim=0, placements=[f"rank:{number}/cpu" for number in range(processes)]), 2 * processes, 3
    )
    halves.local_shards()[0].tensor.copy_(torch.full((2, 3), float(rank)))
    state = {
        "model": {
            **{name: distribute_tensor(whole, mesh, [place]) for name, (whole, place) in SPREAD.items()},
            "grid": distribute_tensor(grid(), plane, [Shard(0), Shard(1)]),
            "hybrid": distribute_tensor(grid(), plane, [Replicate(), Shard(0)]),
            "halves": halves,
        },
        "steps": torch.tensor(7),
        "optimizer": {"lr": 0.125, "betas": (0.5, 0.75)},
    }
    dcp.save(state, checkpoint_id=folder)
    dist.destroy_process_group()


def load(rank: int, processes: int, folder: Path) -> None:
    """The work of one process that loads its part, and puts it beside the folder."""
    mesh = meet(rank, processes, folder)
    state: dict[str, DTensor] = {
        f"model.{name}": distribute_tensor(torch.zeros_like(whole), mesh, [place])
        for name, (whole, place) in SPREAD.items()
    }
    dcp.load(state, checkpoint_id=folder)
    parts = {name: tensor.to_local() for name, tensor in state.items()}
    torch.save(parts, folder.with_name(f"part {rank} of {processes}"))
    dist.destroy_process_group()


def train(rank: int, processes: int, folder: Path) -> None:
    """The work of one process that trains its part of a module for two steps and saves it; the first one puts the
    whole state beside the folder, put together by PyTorch."""
    meet(rank, processes, folder)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 3))
    for part in module:
        fully_shard(part)
    fully_shard(module)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.125)
    for _ in range(2):
        module(torch.randn(4, 5)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    model, slots = get_state_dict(module, optimizer)
    dcp.save({"model": model, "optimizer": slots}, checkpoint_id=folder)
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    model, slots = get_state_dict(module, optimizer, options=options)
    if rank == 0:
        torch.save({"model": model, "optimizer": slots}, folder.with_name("whole"))
    dist.destroy_process_group()


def save_safetensors(rank: int, processes: int, folder: Path) -> None:
    """The work of one process that saves files of safetensors: parts of arrays in ``parts``, whole ones in ``whole``.
    Without complex numbers, of which PyTorch 2.13 loses one half when it puts parts together."""
    mesh = meet(rank, processes, folder)
    real = {name: spread for name, spread in SPREAD.items() if not spread[0].is_complex()}
    state = {name: distribute_tensor(whole, mesh, [place]) for name, (whole, place) in real.items()}
    for name, consolidated in (("parts", False), ("whole", True)):
        writer = dcp.HuggingFaceStorageWriter(
            str(folder / name), save_distributed=True, enable_consolidation=consolidated
        )
        dcp.save(state, storage_writer=writer)
    dist.destroy_process_group()
