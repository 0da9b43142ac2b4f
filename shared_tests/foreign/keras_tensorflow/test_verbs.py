"""The public verbs on models that know nothing of constate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import constate_keras as verbs
import constate_keras.tensorflow
from constate.errors import Refused
from constate_keras.walk import variables

X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")


def stack(*made: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: keras.Sequential([keras.Input((5, 4)), *(make() for make in made)])


def functional(call: Callable[[Any], Any]) -> Any:
    inputs = keras.Input((5, 4))
    return keras.Model(inputs, call(inputs))


def shared() -> Any:
    dense = layers.Dense(4)
    return functional(lambda x: dense(dense(x)))


def nested() -> Any:
    inner = stack(lambda: layers.Dense(4), lambda: layers.Dense(4))()
    return functional(lambda x: inner(inner(x)))


def attention() -> Any:
    return functional(lambda x: layers.MultiHeadAttention(2, 2, dropout=0.1)(x, x))


class Subclassed(keras.Model):
    """Layers in a list, in a dict, and one under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(3)
        self.rest = [layers.Dense(2), {"x": layers.Dense(2)}]
        self.alias = self.first

    def call(self, x: Any) -> Any:
        return self.rest[0](self.first(x)) + self.rest[1]["x"](self.alias(x))


def subclassed() -> Any:
    model = Subclassed()
    model(X)
    return model


def adapted() -> Any:
    layer = layers.Normalization()
    layer.adapt(X * np.random.default_rng().normal() + 1)
    return stack(lambda: layer, lambda: layers.Dense(2))()


def low_rank() -> Any:
    model = stack(lambda: layers.Dense(4), lambda: layers.Dense(4))()
    model.layers[0].enable_lora(2)
    model.layers[0].lora_kernel_b.assign(np.random.default_rng().normal(size=(2, 4)))
    return model


BUILDS: dict[str, Callable[[], Any]] = {
    "sequential": stack(lambda: layers.Dense(3), lambda: layers.Dense(3)),
    "shared": shared,
    "nested": nested,
    "subclassed": subclassed,
    "recurrent": stack(lambda: layers.LSTM(3, dropout=0.5, return_sequences=True), lambda: layers.GRU(3, dropout=0.5)),
    "bidirectional": stack(lambda: layers.Bidirectional(layers.LSTM(3)), lambda: layers.Dense(2)),
    "attention": attention,
    "batch_norm": stack(layers.BatchNormalization, lambda: layers.Dropout(0.5)),
    "normalization": adapted,
    "lora": low_rank,
    "spectral_norm": stack(lambda: layers.SpectralNormalization(layers.Dense(3)), lambda: layers.GaussianNoise(0.1)),
    "mixed": stack(lambda: layers.Dense(3, dtype="mixed_float16"), lambda: layers.Dense(3, dtype="bfloat16")),
}


def bits(model: Any) -> dict[str, bytes]:
    return {path: np.array(keras.ops.convert_to_numpy(v.value)).tobytes() for path, v in variables(model).items()}


def outputs(model: Any) -> bytes:
    return keras.ops.convert_to_numpy(model(X)).tobytes()


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return BUILDS[request.param]


def test_load_gives_the_same_bits_and_the_same_outputs(build: Callable[[], Any], tmp_path: Path) -> None:
    saved, target = build(), build()
    verbs.save(saved, tmp_path / "m")
    verbs.load(target, tmp_path / "m")
    assert bits(target) == bits(saved)
    assert outputs(target) == outputs(saved)


def test_materialise(build: Callable[[], Any], tmp_path: Path) -> None:
    saved = build()
    verbs.save(saved, tmp_path / "m")
    made = verbs.materialise(build, tmp_path / "m")
    assert bits(made) == bits(saved)
    assert outputs(made) == outputs(saved)


def lookup() -> Any:
    layer = layers.StringLookup()
    layer.adapt([["a"], ["b"]])
    return layer


def buckets() -> Any:
    layer = layers.Discretization(num_bins=3)
    layer.adapt(np.arange(10.0)[:, None])
    return layer


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lookup, "StringLookup that keeps what it adapted to in no variable"),
        (buckets, "Discretization that keeps what it adapted to in no variable"),
        (Subclassed, r"subclassed.*: is not built"),
        (lambda: keras.optimizers.Adam(), "found Adam, expected a keras.Layer"),
    ],
)
def test_what_would_be_lost_is_refused(made: Callable[[], Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=says):
        verbs.save(made(), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_failure_in_the_middle_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, target = adapted(), adapted()
    verbs.save(saved, tmp_path / "m")
    before, out = bits(target), outputs(target)

    def refuse(value: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(target.layers[-1].kernel, "assign", refuse)
    with pytest.raises(Refused, match="kernel: RuntimeError: no; nothing was changed"):
        verbs.load(target, tmp_path / "m")
    assert bits(target) == before
    assert outputs(target) == out


def test_assigning_a_statistic_is_seen() -> None:
    model = adapted()
    before = outputs(model)
    path = next(path for path in variables(model) if path.endswith("/mean"))
    verbs.assign(model, path, np.full(4, 9, np.float32))
    assert outputs(model) != before
