"""Variables that are read and assigned many at once are as if each had been alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import execute
from tensorflow.python.ops.resource_variable_ops import ResourceVariable

import constate_tensorflow as verbs
from constate import checkpoint
from constate.state import dtype_named
from constate_tensorflow.native import two_devices

two_devices()
DTYPES = (
    "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool", "complex64",
)  # fmt: skip
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (16,), (2, 3), (4, 16), (0, 3), (3, 0), (64, 80))
MANY = 600
"""More than one operation reads, or one tensor holds."""


def module_of(values: list[Any]) -> tf.Module:
    module = tf.Module()
    module.list = [tf.Variable(value) for value in values]
    return module


def numbered(count: int, *shape: int) -> list[Any]:
    return [np.full(shape, number, np.float32) for number in range(count)]


def bits(module: tf.Module) -> list[bytes]:
    return [np.asarray(variable.numpy()).tobytes() for variable in module.list]


def loaded(saved: tf.Module, target: tf.Module, folder: Path) -> tf.Module:
    verbs.save(saved, folder / "m")
    verbs.load(target, folder / "m")
    return target


def address(variable: tf.Variable) -> int:
    found: int = np.asarray(variable.value()).__array_interface__["data"][0]
    return found


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_and_shape_of_one_and_of_several(name: str, tmp_path: Path) -> None:
    dtype = dtype_named(name)
    values = [np.arange(i, i + np.prod(s, dtype=int)).reshape(s).astype(dtype) for s in SHAPES for i in range(3)]
    values.append(np.ones((2, 2, 5), dtype))
    target = module_of([np.zeros_like(value) for value in values])
    assert bits(loaded(module_of(values), target, tmp_path)) == [value.tobytes() for value in values]
    assert [variable.dtype.name for variable in target.list] == [name] * len(values)


def test_many(tmp_path: Path) -> None:
    values = numbered(MANY, 3)
    target = module_of([np.zeros(3, np.float32)] * MANY)
    assert bits(loaded(module_of(values), target, tmp_path)) == [value.tobytes() for value in values]


def test_alike_but_for_the_dtype(tmp_path: Path) -> None:
    values = [np.ones(2, dtype_named(name)) for name in (*DTYPES, *DTYPES)]
    target = module_of([np.zeros_like(value) for value in values])
    assert bits(loaded(module_of(values), target, tmp_path)) == [value.tobytes() for value in values]


@pytest.mark.parametrize("scope", [None, "CPU:0", "CPU:1"])
def test_each_stays_on_its_device(scope: str | None, tmp_path: Path) -> None:
    assert len(tf.config.list_logical_devices("CPU")) == 2

    def build(values: list[Any]) -> tf.Module:
        module = tf.Module()
        module.list = []
        for number, value in enumerate(values):
            with tf.device(f"CPU:{number % 2}"):
                module.list.append(tf.Variable(value))
        return module

    saved = build([*numbered(4, 2), *numbered(2, 4000)])
    target = build([np.zeros_like(variable.numpy()) for variable in saved.list])
    with tf.device(scope):
        loaded(saved, target, tmp_path)
    assert bits(target) == bits(saved)
    assert [variable.value().device[-1] for variable in target.list] == ["0", "1"] * 3


def test_small_ones_have_memory_of_their_own_and_are_updated_in_it(tmp_path: Path) -> None:
    target = loaded(module_of(numbered(4, 256)), module_of(numbered(4, 256)), tmp_path)
    before = [address(variable) for variable in target.list]
    for variable in target.list:
        variable.assign_add(tf.ones(256))
    assert [address(variable) for variable in target.list] == before
    assert [variable.numpy().tolist() for variable in target.list] == [[number + 1] * 256 for number in range(4)]


def test_what_is_loaded_does_not_change_with_the_file(tmp_path: Path) -> None:
    saved = module_of([*numbered(2, 4), *numbered(2, 4000)])
    target = loaded(saved, module_of([*numbered(2, 4), *numbered(2, 4000)]), tmp_path)
    with (tmp_path / "m").open("r+b") as file:
        file.write(b"\xff" * (tmp_path / "m").stat().st_size)
    assert bits(target) == bits(saved)


def test_a_tensor_that_was_read_before_keeps_its_values(tmp_path: Path) -> None:
    target = module_of(numbered(2, 4))
    read = [variable.value() for variable in target.list]
    loaded(module_of([np.full(4, 9, np.float32)] * 2), target, tmp_path)
    assert [tensor.numpy().tolist() for tensor in read] == [[0] * 4, [1] * 4]


class Halved(ResourceVariable):  # type: ignore[misc]
    """Keeps half of what it is given."""

    def assign(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super().assign(tf.convert_to_tensor(value) / 2, *args, **kwargs)

    def value(self) -> Any:
        return super().value() * 2


def test_the_methods_of_a_subclass_are_used(tmp_path: Path) -> None:
    saved, target = tf.Module(), tf.Module()
    saved.list = [tf.Variable([1.0]), Halved([1.0]), tf.Variable([2.0])]
    target.list = [tf.Variable([0.0]), Halved([0.0]), tf.Variable([0.0])]
    loaded(saved, target, tmp_path)
    assert [variable.read_value().numpy().tolist() for variable in target.list] == [[1], [1], [2]]
    assert checkpoint.load(tmp_path / "m")["list/1"].tolist() == [2]


@pytest.mark.parametrize("name", ["assign", "value"])
def test_a_method_that_was_replaced_is_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, called = module_of(numbered(3, 2)), []
    for owner in (ResourceVariable, module.list[1]):
        old = getattr(owner, name)

        def noting(*args: Any, old: Any = old, **kwargs: Any) -> Any:
            called.append(name)
            return old(*args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(owner, name, noting)
            loaded(module, module, tmp_path)
        assert called
        called.clear()


def test_without_the_operation_for_several_each_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise tf.errors.NotFoundError(None, None, "no such operation")

    saved, target = module_of(numbered(3, 2)), module_of([np.zeros(2, np.float32)] * 3)
    with monkeypatch.context() as patched:
        patched.setattr(execute, "execute", refuse)
        verbs.save(saved, tmp_path / "m")
    verbs.load(target, tmp_path / "m")
    assert bits(target) == bits(saved)


def test_an_abstract_module_is_not_loaded(tmp_path: Path) -> None:
    verbs.save(module_of(numbered(2, 2)), tmp_path / "m")
    abstract = verbs.abstract(lambda: module_of(numbered(2, 2)))
    with pytest.raises(Exception, match="list/0: "):
        verbs.load(abstract, tmp_path / "m")


def test_ml_dtypes_scalars_are_arrays_in_the_file(tmp_path: Path) -> None:
    verbs.save(module_of([ml_dtypes.bfloat16(1.5)]), tmp_path / "m")
    target = module_of([ml_dtypes.bfloat16(0)])
    verbs.load(target, tmp_path / "m")
    assert target.list[0].numpy() == ml_dtypes.bfloat16(1.5)
