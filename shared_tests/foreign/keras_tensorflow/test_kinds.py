"""What a file says of the entries of a model, what may be missing from it, and what is one variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import safetensors.numpy
from keras import layers

import constate_keras as verbs
from constate import checkpoint
from constate.checkpoint import CheckpointError, Policy
from constate.errors import UsageError
from constate.state import Array, Kind
from constate_keras.state import Layer
from constate_keras.walk import variables

P, S, U = Policy(Kind.PARAMETER), Policy(Kind.STATISTIC), Policy()


class Every(Layer):
    """Weights of which Keras knows what they are for, and others."""

    def __init__(self, keys: bool = True) -> None:
        super().__init__()
        self.has_keys = keys
        self.norm = layers.BatchNormalization(center=False)
        self.drop = layers.Dropout(0.5, seed=1)
        self.dense = layers.SpectralNormalization(layers.Dense(2, use_bias=False))

    def build(self, shape: Any) -> None:
        self.norm.build(shape)
        self.dense.build(shape)
        self.table = self.add_weight(name="table", shape=(2,), trainable=False)
        self.mask = self.add_derived(name="mask", shape=(2,), initializer="ones")
        if self.has_keys:
            self.cached = self.add_weight(name="keys", shape=(3,), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        return self.dense(self.drop(self.norm(x)))


def made(keys: bool = True) -> Every:
    layer = Every(keys)
    layer.build((None, 2))
    layer.built = True
    return layer


def bits(model: Any) -> dict[str, Array]:
    return {name: np.asarray(variable.value) for name, variable in variables(model).items()}


def test_what_is_known_is_said_and_nothing_else(tmp_path: Path) -> None:
    layer = made()
    layer.norm.trainable = False  # frozen, and a parameter still
    verbs.save(layer, tmp_path / "m")
    assert checkpoint.load(tmp_path / "m").policies == {
        "batch_normalization/gamma": P,
        "batch_normalization/moving_mean": S,
        "batch_normalization/moving_variance": S,
        "dropout/seed_generator_state": Policy(Kind.RNG),
        "spectral_normalization/vector_u": S,
        "spectral_normalization/dense/kernel": P,
        "spectral_normalization/kernel": P,  # the same one
        "table": U,
        "keys": U,
        "mask": Policy(Kind.DERIVED, persistent=False),
    }


def test_a_cache_may_be_missing_where_the_file_says_that_it_is_one(tmp_path: Path) -> None:
    verbs.save(made(keys=False), tmp_path / "unsaid")
    known = {"keys": Policy(Kind.CACHE, persistent=False)}
    checkpoint.save(tmp_path / "m", checkpoint.load(tmp_path / "unsaid"), entries=known)
    target = made()
    target.cached.assign([7.0] * 3)
    before = bits(target)
    with pytest.raises(CheckpointError, match="keys: missing from the file"):
        verbs.load(target, tmp_path / "m")
    with pytest.raises(CheckpointError, match="its kind is cache, and only derived may be missing"):
        verbs.load(target, tmp_path / "m", missing=("derived",))
    assert all(np.array_equal(array, before[name]) for name, array in bits(target).items())
    verbs.load(target, tmp_path / "m", missing=("cache",))
    assert bits(target)["keys"].tolist() == [7] * 3
    assert np.array_equal(bits(target)["table"], checkpoint.load(tmp_path / "m")["table"])
    verbs.load(target, tmp_path / "m", missing=("cache",), build=made)
    assert bits(target)["keys"].tolist() == [0] * 3
    with pytest.raises(CheckpointError, match=r"keys: missing .* its kind is not known"):
        verbs.load(target, tmp_path / "unsaid", missing=("cache",))
    with pytest.raises(UsageError, match="found the kind 'weight'"):
        verbs.load(target, tmp_path / "m", missing=("weight",))


class Pair(keras.Model):
    """Two layers with two names, tied or not."""

    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.one = layers.Dense(2, name="one")
        self.rest = [self.one if tied else layers.Dense(2, name="two"), layers.Dense(2, name="three")]
        self.inner = keras.Sequential([self.one if tied else layers.Dense(2, name="one")], name="inner")
        self(np.zeros((1, 2), "float32"))

    def call(self, x: Any) -> Any:
        return self.inner(self.rest[1](self.rest[0](self.one(x))))


def test_the_file_says_what_is_one_variable_and_has_every_name(tmp_path: Path) -> None:
    verbs.save(Pair(tied=True), tmp_path / "m.safetensors")
    groups = checkpoint.load(tmp_path / "m.safetensors").shared
    assert groups == [["inner/one/bias", "one/bias"], ["inner/one/kernel", "one/kernel"]]
    theirs = safetensors.numpy.load_file(tmp_path / "m.safetensors")
    assert theirs.keys() == bits(Pair(tied=True)).keys() > {*groups[0], *groups[1]}


def test_loading_keeps_what_is_shared_and_shares_nothing_else(tmp_path: Path) -> None:
    saved, tied, apart = Pair(tied=True), Pair(tied=True), Pair(tied=False)
    verbs.save(saved, tmp_path / "m")
    verbs.load(tied, tmp_path / "m")
    assert all(np.array_equal(array, bits(saved)[name]) for name, array in bits(tied).items())
    assert tied.inner.layers[0] is tied.one
    arrays = checkpoint.load(tmp_path / "m")
    two = {f"two/{name}": arrays[f"one/{name}"] for name in ("kernel", "bias")}
    checkpoint.save(tmp_path / "apart", {**arrays, **two}, shared=arrays.shared)
    verbs.load(apart, tmp_path / "apart")
    apart.one.bias.assign_add([1.0, 1.0])
    assert not np.array_equal(bits(apart)["one/bias"], bits(apart)["inner/one/bias"])


def test_a_file_with_one_of_the_names_will_do_and_one_with_two_values_will_not(tmp_path: Path) -> None:
    saved, target = Pair(tied=True), Pair(tied=True)
    arrays = bits(saved)
    checkpoint.save(tmp_path / "one", {name: array for name, array in arrays.items() if not name.startswith("one/")})
    verbs.load(target, tmp_path / "one")
    assert all(np.array_equal(array, arrays[name]) for name, array in bits(target).items())
    checkpoint.save(tmp_path / "two", {**arrays, "one/bias": arrays["one/bias"] + 1})
    with pytest.raises(CheckpointError, match="inner/one/bias and one/bias: are one array in the module"):
        verbs.load(target, tmp_path / "two")
    assert all(np.array_equal(array, arrays[name]) for name, array in bits(target).items())
