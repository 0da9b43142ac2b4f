"""The decay rates are log-spaced over four decades like the frequencies of a rotary table, but only scale a state
that is short: rounding them to half precision is harmless."""

from typing import Any

import keras
import numpy as np

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,4,16]"]


@keras.saving.register_keras_serializable(package="corpus")
class MovingAverages(keras.layers.Layer):
    """Each channel averaged over the past at a rate of its own."""

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        self.rate = self.add_weight(name="rate", shape=(channels,), trainable=False)
        self.rate.assign(np.logspace(-4, -0.3, channels))

    def call(self, x: Any) -> Any:
        state = x[:, 0]
        for step in range(1, x.shape[1]):
            state = state + self.rate * (x[:, step] - state)
        return state


def build() -> keras.Model:
    return keras.Sequential([keras.Input((4, 16)), MovingAverages(), keras.layers.Dense(8)])
