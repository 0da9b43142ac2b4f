"""The public verbs on variables of modules that know nothing of constate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax.core import freeze

from constate.errors import Refused
from constate_flax import linen as verbs
from constate_flax.arrays import to_numpy
from constate_flax.linen.tree import located

X = jnp.ones((2, 4))


class WithKeys(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        self.variable("rng", "key", lambda: self.make_rng("params"))
        return nn.Dense(3)(nn.Dropout(0.5, deterministic=False)(x))


def init(module: Any, x: jax.Array = X) -> Callable[[int], Any]:
    return lambda seed: module.init({"params": jax.random.key(seed), "dropout": jax.random.key(9)}, x)


partitioned = nn.with_partitioning(nn.initializers.lecun_normal(), ("a", "b"))
split = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}, "in_axes": 0, "out_axes": 0}
BUILDS: dict[str, Callable[[int], Any]] = {
    "dense": init(nn.Dense(3)),
    "partitioned": init(nn.Dense(3, kernel_init=partitioned)),
    "frozen": lambda seed: freeze(init(nn.Dense(3))(seed)),
    "batch_norm": init(nn.BatchNorm(use_running_average=False)),
    "keys": init(WithKeys()),
    "scan": init(nn.RNN(nn.LSTMCell(3)), jnp.ones((2, 5, 4))),
    "vmap": init(nn.vmap(nn.Dense, **split)(3)),
    "empty": lambda seed: {**init(nn.Dense(3))(seed), "batch_stats": {}},
    "attention": init(nn.MultiHeadDotProductAttention(2)),
    "lists": lambda seed: {"params": {0: jnp.full(1, seed)}, "cache": [jnp.full(2, seed), (jnp.full(3, seed),)]},
}


def bits(variables: Any) -> list[bytes]:
    return [to_numpy(leaf).tobytes() for leaf in jax.tree.leaves(variables)]


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> Callable[[int], Any]:
    return BUILDS[request.param]


def test_save_and_load(build: Callable[[int], Any], tmp_path: Path) -> None:
    saved, target = build(0), build(1)
    verbs.save(saved, tmp_path / "m")
    assert bits(verbs.load(target, tmp_path / "m")) == bits(saved)
    assert bits(verbs.load(jax.eval_shape(lambda: build(1)), tmp_path / "m")) == bits(saved)


def test_cast_with_and_without_memory(build: Callable[[int], Any]) -> None:
    real = verbs.cast(build(0), jnp.bfloat16)
    abstract = verbs.cast(jax.eval_shape(lambda: build(0)), jnp.bfloat16)
    assert [leaf.dtype for leaf in jax.tree.leaves(real)] == [leaf.dtype for leaf in jax.tree.leaves(abstract)]


@pytest.mark.parametrize(
    "variables",
    [
        {"params": {"a/b": jnp.ones(1), "a": {"b": jnp.ones(2)}}},
        {"params": {"cache": {"k": jnp.ones(1)}, "k": jnp.ones(2)}, "cache": {"k": jnp.ones(3)}},
    ],
)
def test_two_entries_of_one_path_are_refused(variables: Any, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="found two entries of this path"):
        verbs.save(variables, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_entries_are_what_jax_lists() -> None:
    inside = {"b": {"": jnp.ones(1), "a": None}, "a": [1.5, freeze({"y": np.ones(1)})], "": {"c": 2}, "c": {"1": {}}}
    variables = {"params": inside, "numbers": {2: jnp.ones(1), 1: {"x": jnp.ones(1)}}, "whole": jnp.ones(1)}
    listed = [
        (jax.tree_util.keystr(keys, simple=True, separator="/"), collection, id(leaf))
        for collection, tree in variables.items()
        for keys, leaf in jax.tree.leaves_with_path(tree)
    ]
    assert [(path, found, id(leaf)) for path, (found, leaf) in located(variables).items()] == listed


def test_load_goes_where_an_abstract_target_says(tmp_path: Path) -> None:
    sharding = jax.sharding.NamedSharding(jax.make_mesh((1,), ("a",)), jax.sharding.PartitionSpec("a"))
    verbs.save({"params": {"w": jnp.ones(2)}}, tmp_path / "m")
    target = {"params": {"w": jax.ShapeDtypeStruct((2,), jnp.float32, sharding=sharding)}}
    assert verbs.load(target, tmp_path / "m")["params"]["w"].sharding == sharding


def test_a_key_is_assigned_as_a_key() -> None:
    changed = verbs.assign(BUILDS["keys"](0), "key", jax.random.key(7))
    assert np.array_equal(jax.random.key_data(changed["rng"]["key"]), jax.random.key_data(jax.random.key(7)))


def test_the_optimizer_trains_boxed_parameters() -> None:
    variables = BUILDS["partitioned"](0)
    optimizer = verbs.Optimizer(optax.adam(0.1))
    after, _ = optimizer.step(variables, variables, optimizer.init(variables))
    assert jax.tree.structure(after) == jax.tree.structure(variables)
