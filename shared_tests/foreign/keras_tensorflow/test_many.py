"""Variables that are read and assigned many at once are as if each had been alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

import constate_keras as verbs
from constate.errors import Refused
from constate.state import dtype_named
from constate_keras.tensorflow.engine import several_cpus
from constate_keras.walk import variables

several_cpus()
DTYPES = ("float32", "float16", "bfloat16", "float8_e4m3fn", "int8", "int64", "uint16", "bool", "complex64")
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (16,), (2, 3), (4, 16), (0, 3), (64, 80))


def fixed(value: Any, shape: Any, dtype: Any) -> Any:
    return tf.constant(value)


class Holder(keras.Layer):
    """Nothing but weights."""

    def __init__(self, values: list[Any]) -> None:
        super().__init__()
        for number, value in enumerate(values):
            form: Any = {"shape": np.shape(value), "dtype": str(value.dtype)}
            self.add_weight(name=f"w{number}", initializer=partial(fixed, value), trainable=False, **form)
        self.built = True


def numbered(count: int, *shape: int) -> list[Any]:
    return [np.full(shape, number, np.float32) for number in range(count)]


def bits(layer: Any) -> list[bytes]:
    return [np.array(v.value.numpy()).tobytes() for v in variables(layer).values()]


def loaded(saved: Any, target: Any, folder: Path) -> Any:
    verbs.save(saved, folder / "m")
    verbs.load(target, folder / "m")
    return target


def assert_loaded(saved: Any, target: Any, folder: Path) -> None:
    assert bits(loaded(saved, target, folder)) == bits(saved)


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_and_shape_of_one_and_of_several(name: str, tmp_path: Path) -> None:
    dtype = dtype_named(name)
    values = [np.arange(i, i + np.prod(s, dtype=int)).reshape(s).astype(dtype) for s in SHAPES for i in range(3)]
    target = Holder([np.zeros_like(value) for value in values])
    loaded(Holder(values), target, tmp_path)
    assert bits(target) == [value.tobytes() for value in values]


def test_many(tmp_path: Path) -> None:
    assert_loaded(Holder(numbered(600, 3)), Holder([np.zeros(3, np.float32)] * 600), tmp_path)


def test_each_stays_on_its_device(tmp_path: Path) -> None:
    assert len(tf.config.list_logical_devices("CPU")) == 2
    with keras.device("cpu:1"):
        target = Holder([*numbered(2, 4), *numbered(2, 4000)])
    assert_loaded(Holder([*numbered(2, 4)[::-1], *numbered(2, 4000)[::-1]]), target, tmp_path)
    assert {tf.convert_to_tensor(weight.value).device[-1] for weight in target.weights} == {"1"}


def test_what_is_loaded_does_not_change_with_the_file(tmp_path: Path) -> None:
    saved = Holder([*numbered(2, 4), *numbered(2, 4000)])
    target = loaded(saved, Holder([*numbered(2, 4), *numbered(2, 4000)]), tmp_path)
    with (tmp_path / "m").open("r+b") as file:
        file.write(b"\xff" * (tmp_path / "m").stat().st_size)
    assert bits(target) == bits(saved)


@pytest.mark.parametrize("name", ["assign", "_direct_assign"])
@pytest.mark.parametrize("owner", ["class", "variable"])
def test_a_method_that_was_replaced_is_used(
    owner: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, target = Holder(numbered(3, 2)), Holder([np.zeros(2, np.float32)] * 3)
    verbs.save(saved, tmp_path / "m")
    place, called = keras.Variable if owner == "class" else target.weights[1], []
    old = getattr(place, name)

    def noting(*args: Any) -> Any:
        called.append(name)
        return old(*args)

    monkeypatch.setattr(place, name, noting)
    verbs.load(target, tmp_path / "m")
    assert called
    assert bits(target) == bits(saved)


def test_within_a_stateless_scope_the_scope_gets_the_values(tmp_path: Path) -> None:
    saved, target = Holder(numbered(3, 2)), Holder([np.full(2, 7, np.float32)] * 3)
    verbs.save(saved, tmp_path / "m")
    with keras.StatelessScope() as scope:
        verbs.load(target, tmp_path / "m")
    assert [scope.get_current_value(v).numpy().tolist() for v in target.weights] == [[0, 0], [1, 1], [2, 2]]
    assert bits(target) == [np.full(2, 7, np.float32).tobytes()] * 3


def test_what_build_makes_in_another_dtype_is_cast(tmp_path: Path) -> None:
    class Halved(keras.Layer):
        def __init__(self, dtype: Any) -> None:
            super().__init__()
            self.table = self.add_weight(name="table", shape=(2,), dtype=dtype, initializer="ones", trainable=False)
            self.other = self.add_weight(name="other", shape=(2,))
            self.built = True

        def save_own_variables(self, store: Any) -> None:
            store["0"] = self.other

    saved, target = Halved("float32"), Halved("float32")
    target.table.assign([5.0, 5.0])
    verbs.save(saved, tmp_path / "m")
    verbs.load(target, tmp_path / "m", build=lambda: Halved(ml_dtypes.bfloat16))
    assert bits(target) == bits(saved)


def test_an_interruption_in_the_middle_leaves_all_of_it_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, target = Holder([*numbered(2, 2), *numbered(1, 4000)]), Holder([*numbered(2, 2)[::-1], *numbered(1, 4000)])
    verbs.save(saved, tmp_path / "m")
    assign, calls = tf.raw_ops.AssignVariableOp, iter(range(100))

    def interrupted(**arguments: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return assign(**arguments)

    monkeypatch.setattr(tf.raw_ops, "AssignVariableOp", interrupted)
    with pytest.raises(KeyboardInterrupt):
        verbs.load(target, tmp_path / "m")
    assert next(calls) > 3
    assert bits(target) == bits(saved)


def test_what_a_layer_cannot_compute_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def adapted(mean: float) -> Any:
        layer = keras.layers.Normalization()
        layer.adapt(np.random.default_rng(0).normal(mean, size=(20, 4)))
        return layer

    saved, target = adapted(1.0), adapted(3.0)
    before = bits(target)
    verbs.save(saved, tmp_path / "m")

    def refuse() -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(target, "finalize_state", refuse)
    with pytest.raises(Refused, match="RuntimeError: no; nothing was changed"):
        verbs.load(target, tmp_path / "m")
    assert bits(target) == before
