"""A list holds the kernels that shall be decayed: the same weights that the layers hold, and not other ones."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


@keras.saving.register_keras_serializable(package="corpus")
class TwoLayers(keras.layers.Layer):
    """Two dense layers with a penalty on their kernels."""

    def __init__(self, hidden: int = 16, outputs: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first = keras.layers.Dense(hidden, activation="relu")
        self.second = keras.layers.Dense(outputs)

    def build(self, input_shape: Any) -> None:
        self.first.build(input_shape)
        self.second.build(self.first.compute_output_shape(input_shape))
        self.decayed = [self.first.kernel, self.second.kernel]

    def penalty(self) -> Any:
        return sum(ops.sum(ops.square(kernel)) for kernel in self.decayed)

    def call(self, x: Any) -> Any:
        return self.second(self.first(x))


def build() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), TwoLayers()])
