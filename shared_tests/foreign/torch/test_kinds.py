"""What a file says of the entries of a module, what may be missing from it, and what is one tensor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm
from torch.optim.swa_utils import AveragedModel

import constate_torch
from constate import checkpoint
from constate.checkpoint import CheckpointError, Policy
from constate.errors import UsageError
from constate.state import Kind
from constate_torch.arrays import to_numpy
from constate_torch.state import entries

P, S, C, U = Policy(Kind.PARAMETER), Policy(Kind.STATISTIC), Policy(Kind.COUNTER), Policy()


class Holding(nn.Module):
    """A frozen parameter, and buffers that are saved or not."""

    def __init__(self, cache: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2), requires_grad=False)
        if cache:
            self.register_buffer("keys", torch.zeros(3))
        self.register_buffer("mask", torch.ones(2, dtype=torch.bool), persistent=False)
        self.register_buffer("steps", torch.tensor(0))


KNOWN: dict[str, tuple[Callable[[], nn.Module], dict[str, Policy]]] = {
    "batch_norm": (
        lambda: nn.BatchNorm2d(3),
        {"weight": P, "bias": P, "running_mean": S, "running_var": S, "num_batches_tracked": C},
    ),
    "instance_norm": (
        lambda: nn.InstanceNorm1d(3, track_running_stats=True),
        {"running_mean": S, "running_var": S, "num_batches_tracked": C},
    ),
    "a_layer_like_it": (
        lambda: nn.ModuleDict({"norm": type("Mine", (nn.SyncBatchNorm,), {})(3, affine=False)}),
        {"norm/running_mean": S, "norm/running_var": S, "norm/num_batches_tracked": C},
    ),
    "spectral_norm": (
        lambda: parametrizations.spectral_norm(nn.Linear(3, 4, bias=False)),
        {f"parametrizations/weight/{n}": p for n, p in (("original", P), ("0/_u", S), ("0/_v", S))},
    ),
    "old_spectral_norm": (
        lambda: spectral_norm(nn.Linear(3, 4, bias=False)),
        {"weight_orig": P, "weight_u": S, "weight_v": S},
    ),
    "averaged": (lambda: AveragedModel(nn.Linear(2, 2, bias=False)), {"n_averaged": C, "module/weight": P}),
    "unknown": (Holding, {"weight": P, "keys": U, "steps": U, "mask": Policy(persistent=False)}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_is_said_and_nothing_else(name: str, tmp_path: Path) -> None:
    build, expected = KNOWN[name]
    constate_torch.save(build(), tmp_path / "m")
    assert checkpoint.load(tmp_path / "m").policies == expected


def written(path: Path, arrays: dict[str, Any], **policies: Policy) -> Path:
    checkpoint.save(path, arrays, entries=policies)
    return path


def state(module: nn.Module) -> dict[str, Any]:
    return {path: to_numpy(tensor) for path, tensor in entries(module).items()}


def test_a_cache_may_be_missing_where_the_file_says_that_it_is_one(tmp_path: Path) -> None:
    source, target = Holding(cache=False), Holding()
    target.keys += 7
    saved = {name: state(source)[name] for name in ("weight", "steps")}
    path = written(tmp_path / "m", saved, keys=Policy(Kind.CACHE, persistent=False))
    with pytest.raises(CheckpointError, match="keys: missing from the file"):
        constate_torch.load(target, path)
    with pytest.raises(CheckpointError, match=r"keys: missing .* only derived may be missing"):
        constate_torch.load(target, path, missing=("derived",))
    constate_torch.load(target, path, missing=("derived", "cache"))
    assert torch.equal(target.weight, source.weight) and target.keys.eq(7).all(), "the module keeps its own"
    constate_torch.load(target, path, missing=("cache",), build=Holding)
    assert target.keys.eq(0).all(), "empty, as build makes it"
    constate_torch.save(source, tmp_path / "unsaid")
    with pytest.raises(CheckpointError, match=r"keys: missing .* its kind is not known"):
        constate_torch.load(target, tmp_path / "unsaid", missing=("cache",))


def test_the_module_knows_before_the_file_does(tmp_path: Path) -> None:
    saved = state(nn.BatchNorm1d(2))
    del saved["num_batches_tracked"]
    path = written(tmp_path / "m", saved, num_batches_tracked=Policy(Kind.CACHE, persistent=False))
    target = nn.BatchNorm1d(2)
    with pytest.raises(CheckpointError, match="its kind is counter"):
        constate_torch.load(target, path, missing=("cache",))
    constate_torch.load(target, path, missing=("counter",))


def test_what_does_not_fit_is_refused_whatever_may_be_missing(tmp_path: Path) -> None:
    target = Holding()
    every, before = [str(kind) for kind in Kind], state(target)
    for change in ({"new": np.ones(1)}, {"weight": np.ones(3, np.float32)}, {"weight": np.ones(2)}):
        path = written(tmp_path / "m", {name: before[name] for name in ("weight", "keys", "steps")} | change)
        with pytest.raises(CheckpointError, match="was refused and nothing was changed"):
            constate_torch.load(target, path, missing=every)
    with pytest.raises(UsageError, match="found the kind 'buffer'"):
        constate_torch.load(target, path, missing=("buffer",))
    assert all(np.array_equal(state(target)[name], before[name]) for name in before)


class Pair(nn.Module):
    """Two layers, and a buffer under two names; tied or not."""

    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)
        self.register_buffer("table", torch.randn(2))
        self.register_buffer("again", self.table if tied else torch.randn(2))
        self.register_buffer("row", self.embedding.weight.detach()[0])
        if tied:
            self.head.weight = self.embedding.weight


def test_the_file_says_what_is_one_tensor_and_any_reader_finds_every_name(tmp_path: Path) -> None:
    tied = Pair(tied=True)
    constate_torch.save(tied, tmp_path / "m.safetensors")
    assert checkpoint.load(tmp_path / "m.safetensors").shared == [
        ["again", "table"],
        ["embedding/weight", "head/weight"],
    ]
    found = safetensors.torch.load_file(tmp_path / "m.safetensors")
    Pair(tied=False).load_state_dict({name.replace("/", "."): tensor for name, tensor in found.items()})


def test_loading_keeps_what_is_shared_and_shares_nothing_else(tmp_path: Path) -> None:
    constate_torch.save(source := Pair(tied=True), tmp_path / "m")
    target, apart = Pair(tied=True), Pair(tied=False)
    constate_torch.load(target, tmp_path / "m")
    constate_torch.load(apart, tmp_path / "m")
    assert target.head.weight is target.embedding.weight and target.again is target.table
    assert torch.equal(apart.head.weight, source.head.weight) and apart.head.weight is not apart.embedding.weight
    with torch.no_grad():
        apart.head.weight += 1
    assert not torch.equal(apart.head.weight, apart.embedding.weight)


def test_a_file_with_one_of_the_names_will_do_and_one_with_two_values_will_not(tmp_path: Path) -> None:
    tied, target = Pair(tied=True), Pair(tied=True)
    arrays = state(tied)
    alone = {name: array for name, array in arrays.items() if name not in ("head/weight", "table")}
    constate_torch.load(target, written(tmp_path / "m", alone))
    assert torch.equal(target.head.weight, tied.embedding.weight) and torch.equal(target.table, tied.again)
    before = state(target)
    for name in ("head/weight", "again"):
        with pytest.raises(CheckpointError, match="are one array in the module and have different bits in the file"):
            constate_torch.load(target, written(tmp_path / "m", {**arrays, name: arrays[name] + 1}))
    assert all(np.array_equal(state(target)[name], array) for name, array in before.items())
