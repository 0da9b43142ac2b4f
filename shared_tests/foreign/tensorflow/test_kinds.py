"""What a file says of the entries of a module, what may be missing from it, and what is one variable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.tensorflow
import tensorflow as tf

import constate_tensorflow as verbs
from constate import checkpoint
from constate.checkpoint import CheckpointError, Policy
from constate.errors import UsageError
from constate.state import Kind
from constate_tensorflow.state import derived
from constate_tensorflow.tree import places


class Every(tf.Module):
    """What TensorFlow has a word for, and what not."""

    def __init__(self, keys: bool = True) -> None:
        super().__init__()
        self.w, self.steps = tf.Variable(tf.ones(2)), tf.Variable(0)
        self.table = tf.Variable(tf.ones(2), trainable=False)
        self.generator = tf.random.Generator.from_seed(1)
        self.mask, self.tensor = derived(tf.ones(2, tf.bool)), tf.zeros(2)
        if keys:
            self.keys = tf.Variable(tf.zeros(3), trainable=False)


def test_what_is_known_is_said_and_nothing_else(tmp_path: Path) -> None:
    verbs.save(Every(), tmp_path / "m")
    assert checkpoint.load(tmp_path / "m").policies == {
        "w": Policy(Kind.PARAMETER),
        "steps": Policy(),
        "table": Policy(),
        "keys": Policy(),
        "generator/_state_var": Policy(Kind.RNG),
        "mask": Policy(Kind.DERIVED, persistent=False),
        "tensor": Policy(persistent=False),
    }


def test_a_cache_may_be_missing_where_the_file_says_that_it_is_one(tmp_path: Path) -> None:
    verbs.save(Every(keys=False), tmp_path / "unsaid")
    known = {"keys": Policy(Kind.CACHE, persistent=False)}
    checkpoint.save(tmp_path / "m", checkpoint.load(tmp_path / "unsaid"), entries=known)
    target = Every()
    target.keys.assign_add([7.0] * 3)
    target.w.assign_add([1.0] * 2)
    with pytest.raises(CheckpointError, match="keys: missing from the file"):
        verbs.load(target, tmp_path / "m")
    with pytest.raises(CheckpointError, match="its kind is cache, and only derived may be missing"):
        verbs.load(target, tmp_path / "m", missing=("derived",))
    assert target.w.numpy().tolist() == [2, 2]
    verbs.load(target, tmp_path / "m", missing=("cache",))
    assert (target.keys.numpy().tolist(), target.w.numpy().tolist()) == ([7] * 3, [1] * 2)
    verbs.load(target, tmp_path / "m", missing=("cache",), build=Every)
    assert target.keys.numpy().tolist() == [0] * 3
    with pytest.raises(CheckpointError, match=r"keys: missing .* its kind is not known"):
        verbs.load(target, tmp_path / "unsaid", missing=("cache",))
    with pytest.raises(UsageError, match="found the kind 'variable'"):
        verbs.load(target, tmp_path / "m", missing=("variable",))


class Pair(tf.Module):
    """Two variables, and a list of one; tied or not."""

    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.embedding = tf.Variable(tf.random.normal([2]))
        self.head = self.embedding if tied else tf.Variable(tf.random.normal([2]))
        self.layers = [self.embedding if tied else tf.Variable(tf.random.normal([2]))]


def bits(module: tf.Module) -> dict[str, bytes]:
    return {path: place.array.numpy().tobytes() for path, place in places(module).items()}


def test_the_file_says_what_is_one_variable_and_has_every_name(tmp_path: Path) -> None:
    tied, apart = Pair(tied=True), Pair(tied=False)
    verbs.save(tied, tmp_path / "m.safetensors")
    assert checkpoint.load(tmp_path / "m.safetensors").shared == [["embedding", "head", "layers/0"]]
    theirs = safetensors.tensorflow.load_file(tmp_path / "m.safetensors")
    assert theirs.keys() == bits(apart).keys()


def test_loading_keeps_what_is_shared_and_shares_nothing_else(tmp_path: Path) -> None:
    saved, tied, apart = Pair(tied=True), Pair(tied=True), Pair(tied=False)
    verbs.save(saved, tmp_path / "m")
    for target in (tied, apart):
        verbs.load(target, tmp_path / "m")
        assert bits(target) == bits(saved)
    assert tied.head is tied.embedding is tied.layers[0]
    apart.head.assign_add([1.0, 1.0])
    assert bits(apart)["embedding"] == bits(saved)["embedding"]
    assert bits(verbs.materialise(lambda: Pair(tied=True), tmp_path / "m")) == bits(saved)


def test_a_file_with_one_of_the_names_will_do_and_one_with_two_values_will_not(tmp_path: Path) -> None:
    saved, target = Pair(tied=True), Pair(tied=True)
    array = saved.embedding.numpy()
    checkpoint.save(tmp_path / "one", {"layers/0": array})
    verbs.load(target, tmp_path / "one")
    assert bits(target) == bits(saved)
    checkpoint.save(tmp_path / "two", {"embedding": array, "layers/0": array, "head": np.negative(array)})
    with pytest.raises(CheckpointError, match="embedding and head: are one array in the module"):
        verbs.load(target, tmp_path / "two")
    assert bits(target) == bits(saved)
    verbs.load(Pair(tied=False), tmp_path / "two")
