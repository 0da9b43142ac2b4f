"""The temperature of a gate is a Python number that training passes lower: weights are saved without it, and a
loaded model is as soft as a new one."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = "P09"
ENTRY: str | None = "temperature"
ALSO: frozenset[str] = frozenset({"M05", "P07"})
INPUTS: list[str] = ["f32[4,8]"]


@keras.saving.register_keras_serializable(package="corpus")
class AnnealedGate(keras.layers.Layer):
    """A soft choice of features that gets harder with each training pass."""

    def __init__(self, start: float = 2.0, decay: float = 0.8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.temperature = start
        self.decay = decay

    def build(self, input_shape: Any) -> None:
        self.logits = self.add_weight(name="logits", shape=input_shape[-1:], initializer="random_normal")

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.temperature = max(self.temperature * self.decay, 0.1)
        return x * ops.sigmoid((self.logits + 0.5) / self.temperature)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), AnnealedGate(), keras.layers.Dense(4)])
