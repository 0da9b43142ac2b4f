"""The activation is a lambda that the constructor makes: Keras copies a layer through its configuration, so that it
is in nobody's way."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


@keras.saving.register_keras_serializable(package="corpus")
class GatedUnit(keras.layers.Layer):
    """A dense unit with a gate."""

    def __init__(self, dim: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2 * dim)
        self.gate = lambda x: x * ops.sigmoid(x)

    def build(self, input_shape: Any) -> None:
        self.dense.build(input_shape)

    def call(self, x: Any) -> Any:
        value, gate = ops.split(self.dense(x), 2, axis=-1)
        return value * self.gate(gate)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), GatedUnit()])
