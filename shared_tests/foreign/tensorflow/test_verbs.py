"""The public verbs on modules that know nothing of constate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import constate_tensorflow as verbs
import constate_tensorflow.backend
from constate.checkpoint import CheckpointError
from constate.errors import Refused
from constate_tensorflow.tree import persistent, places


def normal(*shape: int) -> tf.Variable:
    return tf.Variable(tf.random.normal(shape))


def holding(**attributes: Callable[[], Any]) -> Callable[[], tf.Module]:
    """Builds a module with these attributes."""

    def build() -> tf.Module:
        module = tf.Module()
        for name, make in attributes.items():
            setattr(module, name, make())
        return module

    return build


def shared() -> tf.Module:
    module = tf.Module()
    module.a = normal(2)
    module.b = module.a
    module.list = [module.a]
    return module


class Programs(tf.Module):
    """A ``tf.function`` as an attribute and one as a method."""

    def __init__(self) -> None:
        super().__init__()
        self.w = normal(2)
        self.attribute = tf.function(self.plain)

    def plain(self, x: Any) -> Any:
        return x * self.w

    @tf.function
    def __call__(self, x: Any) -> Any:
        return x * self.w


BUILDS: dict[str, Callable[[], Any]] = {
    "nested": holding(l=lambda: [holding(w=lambda: normal(2))(), {"a": normal(2), "b": [normal(1)]}]),
    "value": holding(l=holding(value=lambda: normal(2), other=lambda: normal(2))),
    "shared": shared,
    "unknown_shape": holding(w=lambda: tf.Variable(tf.random.normal([2, 2]), shape=tf.TensorShape([None, 2]))),
    "generator": holding(g=lambda: tf.random.Generator.from_seed(1), w=lambda: normal(2)),
    "programs": Programs,
}


def bits(module: tf.Module) -> dict[str, bytes]:
    return {path: place.array.numpy().tobytes() for path, place in places(module).items()}


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return BUILDS[request.param]


def test_save_and_load(build: Callable[[], Any], tmp_path: Path) -> None:
    saved, target = build(), build()
    verbs.save(saved, tmp_path / "m")
    verbs.load(target, tmp_path / "m")
    assert bits(target) == bits(saved)


def test_materialise(build: Callable[[], Any], tmp_path: Path) -> None:
    saved = build()
    verbs.save(saved, tmp_path / "m")
    assert bits(verbs.materialise(build, tmp_path / "m")) == bits(saved)


def test_copy_and_move(build: Callable[[], Any]) -> None:
    module = build()
    assert bits(verbs.copy(module)) == bits(verbs.move(module, "CPU:0")) == bits(module)


def test_every_variable_is_listed_also_beside_an_attribute_called_value() -> None:
    assert list(persistent(BUILDS["value"]())) == ["l/value", "l/other"]


def test_a_keras_layer_in_a_module(tmp_path: Path) -> None:
    def build() -> tf.Module:
        module = holding(dense=lambda: keras.layers.Dense(3))()
        module.dense.build((None, 2))
        return module

    saved, target = build(), build()
    verbs.save(saved, tmp_path / "m")
    verbs.load(target, tmp_path / "m")
    assert bits(target) == bits(saved) == bits(verbs.copy(saved))


def test_programs_of_a_copy_run_on_the_copy() -> None:
    module, one = Programs(), tf.ones(2)
    module(one), module.attribute(one)
    copied = verbs.copy(module)
    copied.w.assign([5.0, 6.0])
    assert np.array_equal(copied(one), [5, 6])
    assert np.array_equal(copied.attribute(one), [5, 6])
    assert np.array_equal(module.attribute(one), module.w)
    assert verbs.cast(module, tf.bfloat16).attribute(tf.cast(one, tf.bfloat16)).dtype == tf.bfloat16


def test_a_program_with_variables_in_its_closure_is_not_copied() -> None:
    module = holding(w=lambda: normal(2))()
    module.program = tf.function(lambda x: x * module.w)
    with pytest.raises(Refused, match=r"program: found a tf\.function with arrays"):
        verbs.copy(module)


def test_what_a_copy_would_lose_is_refused() -> None:
    module = holding(w=lambda: normal(2), optimizer=keras.optimizers.Adam)()
    module.optimizer.build([module.w])
    with pytest.raises(Refused, match=r"optimizer/.*is not copied"):
        verbs.copy(module)


def test_two_entries_of_one_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="d/a/b: found two entries of this path"):
        verbs.save(holding(d=lambda: {"a/b": normal(2), "a": {"b": normal(2)}})(), tmp_path / "m")


def test_a_table_that_no_variable_holds_is_refused(tmp_path: Path) -> None:
    module = holding(t=lambda: tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1))()
    for verb in (lambda: verbs.save(module, tmp_path / "m"), lambda: verbs.copy(module)):
        with pytest.raises(Refused, match="MutableHashTable"):
            verb()


def test_strings_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="s: dtype object cannot be stored"):
        verbs.save(holding(s=lambda: tf.Variable(["a"]))(), tmp_path / "m")


def test_a_failure_in_the_middle_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = holding(a=lambda: normal(2), b=lambda: normal(2), c=lambda: normal(2))
    saved, target = build(), build()
    verbs.save(saved, tmp_path / "m")
    before = bits(target)

    def refuse(value: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(target.b, "assign", refuse)
    with pytest.raises(Refused, match="b: RuntimeError: no; nothing was changed"):
        verbs.load(target, tmp_path / "m")
    assert bits(target) == before


def test_an_interruption_in_the_middle_leaves_all_of_it_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = holding(a=lambda: normal(2), b=lambda: normal(2), c=lambda: normal(2000))
    saved, target = build(), build()
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


def test_build_must_make_what_is_not_saved(tmp_path: Path) -> None:
    module = holding(w=lambda: normal(2), t=lambda: tf.ones(2))()
    verbs.save(module, tmp_path / "m")
    with pytest.raises(Refused, match="t: the factory makes no such entry"):
        verbs.load(module, tmp_path / "m", build=holding(w=lambda: normal(2)))
