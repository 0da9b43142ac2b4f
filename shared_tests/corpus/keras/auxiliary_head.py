"""The auxiliary head is called in training only, and built by its first call: weights that were saved after
training have entries that a model for inference does not have."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = "P12"
ENTRY: str | None = "auxiliary"
ALSO: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,8]"]


@keras.saving.register_keras_serializable(package="corpus")
class SupervisedEncoder(keras.layers.Layer):
    """A hidden layer with a loss of its own."""

    def __init__(self, hidden: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(hidden, activation="relu")
        self.auxiliary = keras.layers.Dense(2, name="auxiliary")

    def build(self, input_shape: Any) -> None:
        self.hidden.build(input_shape)

    def call(self, x: Any, training: bool = False) -> Any:
        hidden = self.hidden(x)
        if training:
            self.add_loss(0.1 * ops.mean(ops.square(self.auxiliary(hidden))))
        return hidden


def build() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), SupervisedEncoder(), keras.layers.Dense(4)])
