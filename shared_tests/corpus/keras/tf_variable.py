"""A plain ``tf.Variable`` on an attribute of a Keras 3 layer is not tracked: it is in no ``weights``, gets no
update and is in no file."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

HAZARD: str | None = "P01"
ENTRY: str | None = "shift"
ALSO: frozenset[str] = frozenset({"P07", "P09"})
INPUTS: list[str] = ["f32[4,6]"]


@keras.saving.register_keras_serializable(package="corpus")
class ShiftedDense(keras.layers.Layer):
    """A dense layer on shifted inputs."""

    def __init__(self, features: int = 6, outputs: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shift = tf.Variable(tf.random.normal([features]), name="shift")
        self.dense = keras.layers.Dense(outputs)

    def build(self, input_shape: Any) -> None:
        self.dense.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.dense(x + ops.cast(self.shift, x.dtype))


def build() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), ShiftedDense()])
