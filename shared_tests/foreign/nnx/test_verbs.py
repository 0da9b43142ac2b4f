"""The public verbs on modules that know nothing of constate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

from constate.errors import Refused
from constate_flax import nnx as verbs
from constate_flax.arrays import to_numpy
from constate_flax.nnx.tree import leaves, values


class Holding(nnx.Module):
    """A module with these attributes."""

    def __init__(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)


def linear(seed: int) -> nnx.Linear:
    return nnx.Linear(2, 3, rngs=nnx.Rngs(seed))


def param(seed: int, size: int = 2) -> Any:
    return nnx.Param(jnp.full(size, float(seed)))


def shared(seed: int) -> Holding:
    variable = param(seed)
    return Holding(a=variable, b=variable)


def trained(seed: int) -> Holding:
    module = linear(seed)
    optimizer = verbs.optimizer(module, optax.adam(0.1))
    optimizer.update(module, nnx.state(module, nnx.Param))
    return Holding(module=module, optimizer=optimizer)


def stacked(seed: int) -> Any:
    return nnx.vmap(lambda key: nnx.Linear(2, 3, rngs=nnx.Rngs(key)))(jax.random.split(jax.random.key(seed), 3))


BUILDS: dict[str, Callable[[int], Any]] = {
    "list": lambda seed: Holding(layers=nnx.List([linear(seed), nnx.Dict({"a": param(seed)})])),
    "shared": shared,
    "dropout": lambda seed: nnx.Dropout(0.5, rngs=nnx.Rngs(seed)),
    "rngs": lambda seed: Holding(rngs=nnx.Rngs(params=seed, dropout=seed + 1)),
    "attention": lambda seed: nnx.MultiHeadAttention(2, 4, rngs=nnx.Rngs(seed), decode=False),
    "lora": lambda seed: nnx.LoRALinear(2, 3, lora_rank=1, rngs=nnx.Rngs(seed)),
    "batch_norm": lambda seed: nnx.BatchNorm(3, rngs=nnx.Rngs(seed)),
    "lstm": lambda seed: nnx.RNN(nnx.LSTMCell(2, 3, rngs=nnx.Rngs(seed))),
    "optimizer": trained,
    "keys": lambda seed: Holding(key=nnx.Variable(jax.random.key(seed, impl="rbg"))),
    "bare": lambda seed: Holding(array=jnp.full(2, float(seed))),
    "vmap": stacked,
}


def bits(module: Any) -> dict[str, bytes]:
    return {path: to_numpy(value).tobytes() for path, value in values(module).items()}


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> Callable[[int], Any]:
    return BUILDS[request.param]


def test_load_gives_the_same_bits_in_the_same_variables(build: Callable[[int], Any], tmp_path: Path) -> None:
    saved, target = build(0), build(1)
    before = {path: leaf for path, leaf in leaves(target).items() if isinstance(leaf, nnx.Variable)}
    verbs.save(saved, tmp_path / "m")
    verbs.load(target, tmp_path / "m")
    assert bits(target) == bits(saved)
    assert all(leaves(target)[path] is leaf for path, leaf in before.items())


@pytest.mark.parametrize("name", sorted(BUILDS.keys() - {"bare"}))  # nnx.eval_shape makes a bare array no state at all
def test_load_into_a_module_without_memory(name: str, tmp_path: Path) -> None:
    build = BUILDS[name]
    saved = build(0)
    verbs.save(saved, tmp_path / "m")
    assert bits(verbs.load(nnx.eval_shape(lambda: build(1)), tmp_path / "m")) == bits(saved)


def test_copy(build: Callable[[int], Any]) -> None:
    module = build(0)
    assert bits(verbs.copy(module)) == bits(module)


def test_sharing_survives_cast_and_copy() -> None:
    module = verbs.cast(shared(1), jnp.bfloat16)
    copied = verbs.copy(module)
    assert module.a is module.b
    assert copied.a is copied.b
    assert module.a.dtype == jnp.bfloat16


def test_cast_without_memory() -> None:
    assert verbs.cast(nnx.eval_shape(lambda: linear(0)), jnp.bfloat16).kernel.dtype == jnp.bfloat16


def test_two_entries_of_one_path_are_refused(tmp_path: Path) -> None:
    inner = nnx.Dict({"a/b": param(0), "a": nnx.Dict({"b": param(1)})})
    with pytest.raises(Refused, match="inner/a/b: found two entries of this path"):
        verbs.save(Holding(inner=inner), tmp_path / "m")


@pytest.mark.parametrize("value", [None, "text", 1.5, {"a": jnp.ones(2)}])
def test_a_variable_without_an_array_is_refused_by_name(value: Any, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"entry: found {type(value).__name__} in a variable"):
        verbs.save(Holding(entry=nnx.Variable(value)), tmp_path / "m")
