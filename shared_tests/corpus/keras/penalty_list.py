"""Every training pass appends its penalty to a list that nobody empties: memory grows by a tensor a step."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = "G06"
ENTRY: str | None = "penalties"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


@keras.saving.register_keras_serializable(package="corpus")
class SparseAutoencoder(keras.layers.Layer):
    """An autoencoder that collects its sparsity penalties for the training loop."""

    def __init__(self, features: int = 6, codes: int = 12, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encode = keras.layers.Dense(codes, activation="relu")
        self.decode = keras.layers.Dense(features)
        self.penalties: list[Any] = []

    def build(self, input_shape: Any) -> None:
        self.encode.build(input_shape)
        self.decode.build(self.encode.compute_output_shape(input_shape))

    def call(self, x: Any, training: bool = False) -> Any:
        code = self.encode(x)
        if training:
            self.penalties.append(ops.mean(ops.abs(code)))
        return self.decode(code)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), SparseAutoencoder()])
