"""Keras' instruments, on TensorFlow: building layers and models, and copying them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from auditing.keras_tensorflow.layers import Norm, instruments_of
from constate.errors import Unsupported, UsageError
from constate.instruments.inputs import Drawn
from constate.state import same_bits


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "from_config"])
def test_copies_have_the_values_and_share_none(instruments: Any, how: str) -> None:
    module = instruments.train(instruments.build(0), [instruments.inputs.first()], "sgd")
    copied = instruments.copy(module, how)
    entries = instruments.entries(module)
    for path in ("average", "deep/kernel"):
        assert same_bits(instruments.read(copied, path), instruments.read(module, path))
        assert entries[path].identity != instruments.entries(copied)[path].identity


def test_a_layer_of_arrays_is_not_copied_and_the_argument_to_blame_is_named() -> None:
    class Standardised(keras.layers.Layer):
        def __init__(self, epsilon: float, mean: np.ndarray, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.epsilon, self.mean = epsilon, mean

        def call(self, x: Any) -> Any:
            return x - self.mean

    made = instruments_of(
        lambda: keras.Sequential([keras.Input((4,)), Standardised(1e-3, np.ones(4), name="standardised")]), "f32[2,4]"
    )
    module = made.build(0)
    assert made.hindrance(module, "pickle") == "standardised.mean"
    with pytest.raises(NotImplementedError):
        made.copy(module, "deepcopy")
    with pytest.raises(Unsupported):
        made.copy(module, "from_config")


def test_a_layer_that_only_a_call_builds_is_named() -> None:
    class Half(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense = keras.layers.Dense(2, name="dense")

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=())

        def call(self, x: Any) -> Any:
            return self.dense(x * self.scale)

    made = instruments_of(Half, "f32[2,4]")
    module = made.build(0)
    assert "dense/kernel" in made.entries(module), "the layer is run where nothing else builds what is in it"
    assert made.hindrance(module, "deepcopy") == "dense"
    with pytest.raises(ValueError, match="never built"):
        made.copy(module, "deepcopy")


def test_a_build_that_fails_leaves_nothing_to_the_next() -> None:
    class Unbuildable(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = keras.layers.Dense(4)
            self.second = keras.layers.Dense(4, kernel_initializer=refuse)

        def call(self, x: Any) -> Any:
            return self.second(self.first(x))

    def refuse(shape: Any, dtype: Any = None) -> Any:
        if tf.executing_eagerly():
            raise RuntimeError("no such type")
        return ops.zeros(shape, dtype)

    class Plain(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = keras.layers.Dense(4)

        def call(self, x: Any) -> Any:
            return self.first(x)

    with pytest.raises(RuntimeError, match="no such type"):
        instruments_of(Unbuildable, "f32[2,4]").build(0)
    assert len(instruments_of(Plain, "f32[3,4]").entries(instruments_of(Plain, "f32[3,4]").build(0))) == 2


def test_a_name_that_is_assigned_twice_is_noted() -> None:
    class Twice(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
            self.scale = self.add_weight(name="other", shape=(), initializer="zeros")

        def call(self, x: Any) -> Any:
            return x * self.scale

    made = instruments_of(Twice, "f32[2]")
    made.build(0)
    assert [(again.path, again.name, again.differs) for again in made.replaced()] == [("other", "scale", True)]


def test_a_layer_is_built_and_not_run() -> None:
    class Counted(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=())

        def call(self, x: Any) -> Any:
            self.calls += 1
            return x * self.scale

    made = instruments_of(Counted, "f32[2]")
    module = made.build(0)
    assert made.entries(module).keys() == {"scale"} and module.calls == 0
    with pytest.raises(UsageError, match="inputs"):
        instruments_of(Counted).build(0)


def test_inputs_are_inferred_from_a_model() -> None:
    tokens, scale = keras.Input((None, 5), name="tokens"), keras.Input((3,), dtype="int32", name="scale")
    models = {
        "single": keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)]),
        "several": keras.Model([tokens, scale], keras.layers.Dense(2)(tokens)),
        "named": keras.Model({"tokens": tokens, "scale": scale}, keras.layers.Dense(2)(tokens)),
        "subclassed": Norm(),
    }
    models["subclassed"](np.zeros((3, 4), np.float32))
    drawn = {"tokens": Drawn("float32", (2, 8, 5)), "scale": Drawn("int32", (2, 3))}
    expected: dict[str, tuple[Any, ...]] = {
        "single": (Drawn("float32", (2, 6)),),
        "several": (list(drawn.values()),),
        "named": (drawn,),
        "subclassed": (Drawn("float32", (3, 4)),),
    }
    for name, model in models.items():
        inferred = instruments_of(lambda model=model: model).infer_inputs(model)
        assert inferred is not None and inferred.form.args == expected[name], name
