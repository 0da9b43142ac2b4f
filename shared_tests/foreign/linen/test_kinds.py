"""What a file says of the entries of a module, what may be missing from it, and what is one array elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from constate import checkpoint
from constate.checkpoint import CheckpointError, Policy
from constate.errors import Refused, UsageError
from constate.state import Kind
from constate_flax import linen as verbs

X = jnp.ones((2, 4))


class Every(nn.Module):
    """An entry in every collection of which the kind is known, and in some others."""

    cache: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        self.variable("batch_stats", "count", lambda: jnp.zeros((), jnp.int32))
        self.variable("batch_stats", "histogram", lambda: jnp.zeros(3, jnp.int32))
        self.variable("constants", "table", lambda: jnp.ones(2))
        self.variable("derived", "mask", lambda: jnp.ones(2, bool))
        self.variable("mine", "what", lambda: jnp.ones(2))
        if self.cache:
            self.variable("cache", "keys", lambda: jnp.zeros(3))
            self.variable("held", "keys", lambda: jnp.zeros(3))
        return nn.BatchNorm(use_running_average=False, use_bias=False)(x)


def init(cache: bool = True) -> Any:
    return Every(cache).init(jax.random.key(0), X)


def test_what_is_known_is_said_and_nothing_else(tmp_path: Path) -> None:
    verbs.save(init(), tmp_path / "m")
    expected = {
        "BatchNorm_0/scale": Policy(Kind.PARAMETER),
        "BatchNorm_0/mean": Policy(Kind.STATISTIC),
        "BatchNorm_0/var": Policy(Kind.STATISTIC),
        "count": Policy(Kind.COUNTER),
        "histogram": Policy(),
        "table": Policy(Kind.CONSTANT),
        "mask": Policy(Kind.DERIVED, persistent=False),
        "what": Policy(),
        "cache/keys": Policy(Kind.CACHE),
        "held/keys": Policy(),
    }
    found = checkpoint.load(tmp_path / "m")
    assert found.policies == expected and found.shared == []
    verbs.save(init(), tmp_path / "all", unsaved=())
    found = checkpoint.load(tmp_path / "all")
    assert found.policies == expected and "mask" in found


def test_a_cache_may_be_missing(tmp_path: Path) -> None:
    verbs.save(init(cache=False), tmp_path / "m")
    target = {**init(), "cache": {"keys": jnp.full(3, 7.0)}}
    del target["held"]
    with pytest.raises(CheckpointError, match="keys: missing from the file"):
        verbs.load(target, tmp_path / "m")
    with pytest.raises(CheckpointError, match="its kind is cache, and only derived may be missing"):
        verbs.load(target, tmp_path / "m", missing=("derived",))
    assert (verbs.load(target, tmp_path / "m", missing=("cache",))["cache"]["keys"] == 7).all()
    empty = {name: tree for name, tree in init().items() if name != "held"}
    assert (verbs.load(target, tmp_path / "m", missing=("cache",), build=lambda: empty)["cache"]["keys"] == 0).all()
    abstract = jax.eval_shape(lambda: empty)
    with pytest.raises(Refused, match="keys, mask: not in the file, without memory"):
        verbs.load(abstract, tmp_path / "m", missing=("cache",))
    with pytest.raises(UsageError, match="found the kind 'caches'"):
        verbs.load(target, tmp_path / "m", missing=("caches",))


def test_the_file_says_what_is_in_a_collection_of_ones_own(tmp_path: Path) -> None:
    source = {"params": {"w": jnp.ones(2)}}
    known = {"keys": Policy(Kind.CACHE, persistent=False)}
    checkpoint.save(tmp_path / "m", {"w": np.ones(2, np.float32)}, entries=known)
    target = {**source, "held": {"keys": jnp.full(3, 7.0)}}
    assert (verbs.load(target, tmp_path / "m", missing=("cache",))["held"]["keys"] == 7).all()
    verbs.save(source, tmp_path / "unsaid")
    with pytest.raises(CheckpointError, match=r"keys: missing .* its kind is not known"):
        verbs.load(target, tmp_path / "unsaid", missing=("cache",))


def test_a_file_of_a_module_that_shares_is_loaded_where_nothing_is_shared(tmp_path: Path) -> None:
    table = np.arange(4, dtype=np.float32)
    checkpoint.save(tmp_path / "m", {"a": table, "b": table}, shared=[["a", "b"]])
    found = verbs.load({"params": {"a": jnp.zeros(4), "b": jnp.zeros(4)}}, tmp_path / "m")["params"]
    assert np.array_equal(found["a"], table) and np.array_equal(found["b"], table)
