"""What a file says of the entries of a module, what may be missing from it, and what is one variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.flax
from flax import nnx

from constate import checkpoint
from constate.checkpoint import CheckpointError, Policy
from constate.errors import Refused, UsageError
from constate.state import Kind
from constate_flax import nnx as verbs
from constate_flax.nnx.state import Constant, Counter, Derived


class Mine(nnx.Variable[Any]):
    """A type of which only its author knows."""


class Every(nnx.Module):
    """A variable of every type of which the kind is known, and some others."""

    def __init__(self, cache: bool = True) -> None:
        self.norm = nnx.BatchNorm(2, use_bias=False, rngs=nnx.Rngs(0))
        self.drop = nnx.Dropout(0.5, rngs=nnx.Rngs(1))
        self.lora = nnx.LoRAParam(jnp.ones(1))
        self.table, self.count = Constant(jnp.ones(2)), Counter(jnp.array(0))
        self.mask = Derived(jnp.ones(2, bool))
        self.mine, self.bare = Mine(jnp.ones(1)), jnp.ones(1)
        if cache:
            self.keys, self.own = nnx.Cache(jnp.zeros(3)), Mine(jnp.zeros(3))


def test_what_is_known_is_said_and_nothing_else(tmp_path: Path) -> None:
    verbs.save(Every(), tmp_path / "m")
    expected = {
        "norm/scale": Policy(Kind.PARAMETER),
        "norm/mean": Policy(Kind.STATISTIC),
        "norm/var": Policy(Kind.STATISTIC),
        "drop/rngs/key": Policy(Kind.RNG),
        "drop/rngs/count": Policy(Kind.RNG),
        "lora": Policy(Kind.PARAMETER),
        "table": Policy(Kind.CONSTANT),
        "count": Policy(Kind.COUNTER),
        "mask": Policy(Kind.DERIVED, persistent=False),
        "mine": Policy(),
        "bare": Policy(),
        "keys": Policy(Kind.CACHE),
        "own": Policy(),
    }
    assert checkpoint.load(tmp_path / "m").policies == expected
    verbs.save(Every(), tmp_path / "all", derived=())
    found = checkpoint.load(tmp_path / "all")
    assert found.policies == expected and "mask" in found


def test_a_cache_may_be_missing(tmp_path: Path) -> None:
    source, target = Every(cache=False), Every()
    del source.bare, target.bare, target.own
    verbs.save(source, tmp_path / "m")
    target.keys[...] += 7
    with pytest.raises(CheckpointError, match="keys: missing from the file"):
        verbs.load(target, tmp_path / "m")
    with pytest.raises(CheckpointError, match="its kind is cache, and only derived may be missing"):
        verbs.load(target, tmp_path / "m", missing=("derived",))
    assert (verbs.load(target, tmp_path / "m", missing=("cache",)).keys[...] == 7).all()
    assert (verbs.load(target, tmp_path / "m", missing=("cache",), build=Every).keys[...] == 0).all()
    abstract = nnx.eval_shape(Every)
    del abstract.own, abstract.bare
    with pytest.raises(Refused, match="not in the file and without memory; pass build="):
        verbs.load(abstract, tmp_path / "m", missing=("cache",))
    assert (verbs.load(abstract, tmp_path / "m", missing=("cache",), build=Every).keys[...] == 0).all()
    with pytest.raises(UsageError, match="found the kind 'Cache'"):
        verbs.load(target, tmp_path / "m", missing=("Cache",))


def test_the_file_says_what_a_type_of_ones_own_is(tmp_path: Path) -> None:
    class Holding(nnx.Module):
        def __init__(self, own: bool) -> None:
            self.w = nnx.Param(jnp.ones(2))
            if own:
                self.own = Mine(jnp.full(3, 7.0))

    known = {"own": Policy(Kind.CACHE, persistent=False)}
    checkpoint.save(tmp_path / "m", {"w": np.ones(2, np.float32)}, entries=known)
    assert (verbs.load(Holding(True), tmp_path / "m", missing=("cache",)).own[...] == 7).all()
    verbs.save(Holding(False), tmp_path / "unsaid")
    with pytest.raises(CheckpointError, match=r"own: missing .* its kind is not known"):
        verbs.load(Holding(True), tmp_path / "unsaid", missing=("cache",))


class Pair(nnx.Module):
    """Two variables and two layers, each under two names, or four of each; and a layer that knows its parent."""

    def __init__(self, tied: bool, seed: int = 0) -> None:
        rngs = nnx.Rngs(seed)
        self.embedding = nnx.Param(rngs.params.normal((4, 3)))
        self.head = self.embedding if tied else nnx.Param(rngs.params.normal((4, 3)))
        self.layers = nnx.List([nnx.Linear(2, 2, rngs=rngs) for _ in range(2)])
        self.first = self.layers[0] if tied else nnx.Linear(2, 2, rngs=rngs)
        self.inner = self.layers[1].bias if tied else nnx.Param(jnp.ones(2))
        self.layers[1].parent = self


GROUPS = [
    ["embedding", "head"],
    ["first/bias", "layers/0/bias"],
    ["first/kernel", "layers/0/kernel"],
    ["inner", "layers/1/bias"],
]


def bits(path: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in checkpoint.load(path).items()}


def test_the_file_says_what_is_one_variable_and_has_every_name(tmp_path: Path) -> None:
    verbs.save(Pair(tied=True), tmp_path / "m.safetensors")
    found = checkpoint.load(tmp_path / "m.safetensors")
    assert found.shared == GROUPS and {policy.kind for policy in found.policies.values()} == {Kind.PARAMETER}
    assert found.keys() == {"layers/1/kernel", *(name for group in GROUPS for name in group)}
    verbs.save(Pair(tied=False), tmp_path / "apart.safetensors")
    theirs = safetensors.flax.load_file(tmp_path / "m.safetensors")
    assert theirs.keys() == checkpoint.load(tmp_path / "apart.safetensors").keys()


def test_loading_keeps_what_is_shared_and_shares_nothing_else(tmp_path: Path) -> None:
    verbs.save(Pair(tied=True), tmp_path / "m")
    target, apart = verbs.load(Pair(tied=True, seed=1), tmp_path / "m"), verbs.load(Pair(tied=False), tmp_path / "m")
    assert target.head is target.embedding and target.first is target.layers[0]
    assert apart.head is not apart.embedding and apart.head[...].tolist() == target.head[...].tolist()
    for module in (target, apart, verbs.load(nnx.eval_shape(lambda: Pair(tied=True)), tmp_path / "m")):
        verbs.save(module, tmp_path / "again")
        assert bits(tmp_path / "again") == bits(tmp_path / "m")


def test_a_file_with_one_of_the_names_will_do_and_one_with_two_values_will_not(tmp_path: Path) -> None:
    verbs.save(Pair(tied=True), tmp_path / "m")
    arrays = dict(checkpoint.load(tmp_path / "m"))
    alone = {name: arrays[name] for name in arrays.keys() - {"head", "layers/0/bias", "first/kernel"}}
    checkpoint.save(tmp_path / "alone", alone)
    target = verbs.load(Pair(tied=True, seed=1), tmp_path / "alone")
    verbs.save(target, tmp_path / "again")
    assert bits(tmp_path / "again") == bits(tmp_path / "m")
    for name in ("head", "first/bias"):
        checkpoint.save(tmp_path / "two", {**arrays, name: arrays[name] + 1})
        with pytest.raises(CheckpointError, match="are one array in the module and have different bits in the file"):
            verbs.load(target, tmp_path / "two")
        verbs.load(Pair(tied=False), tmp_path / "two")
    verbs.save(target, tmp_path / "again")
    assert bits(tmp_path / "again") == bits(tmp_path / "m")


def test_a_further_path_that_is_taken_is_refused(tmp_path: Path) -> None:
    layer = nnx.Dict({"b": nnx.Param(jnp.ones(1))})
    module = nnx.Dict({"a": layer, "c": layer, "c/b": nnx.Param(jnp.zeros(1))})
    with pytest.raises(Refused, match="c/b: found two entries of this path"):
        verbs.save(module, tmp_path / "m")
    assert jax.tree.leaves(nnx.state(module)) and not list(tmp_path.iterdir())
