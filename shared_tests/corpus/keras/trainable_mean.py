"""A running mean is made by ``add_weight`` without ``trainable=False``: training passes move it by hand, while
``trainable_weights`` hands it to the optimizer as well."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = "G01"
ENTRY: str | None = "mean"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


@keras.saving.register_keras_serializable(package="corpus")
class RunningCentre(keras.layers.Layer):
    """Takes the running mean away."""

    def __init__(self, momentum: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum

    def build(self, input_shape: Any) -> None:
        self.mean = self.add_weight(name="mean", shape=input_shape[-1:], initializer="zeros")

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.mean.assign(self.mean + self.momentum * (ops.mean(x, axis=0) - self.mean))
        return x - ops.stop_gradient(ops.convert_to_tensor(self.mean))


def build() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), RunningCentre(), keras.layers.Dense(4)])
