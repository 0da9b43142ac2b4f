"""The inverse frequencies are an ordinary weight: under ``bfloat16`` and ``mixed_bfloat16`` they are rounded, and
at position 2,000 the angle is off by radians."""

from typing import Any

import keras
import numpy as np
from keras import ops

HAZARD: str | None = "D07"
ENTRY: str | None = "inv_freq"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[1,2048,16]"]


@keras.saving.register_keras_serializable(package="corpus")
class Rotary(keras.layers.Layer):
    """Rotates features by their positions."""

    def __init__(self, dim: int = 16, base: float = 10_000.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim, self.base = dim, base

    def build(self, input_shape: Any) -> None:
        self.inv_freq = self.add_weight(name="inv_freq", shape=(self.dim // 2,), trainable=False)
        self.inv_freq.assign(self.base ** (-np.arange(0, self.dim, 2) / self.dim))

    def call(self, x: Any) -> Any:
        position = ops.arange(x.shape[1], dtype="float32")
        angles = position[:, None] * ops.cast(self.inv_freq, "float32")
        cos, sin = ops.cast(ops.cos(angles), x.dtype), ops.cast(ops.sin(angles), x.dtype)
        first, second = ops.split(x, 2, axis=-1)
        return ops.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((2048, 16)), keras.layers.Dense(16), Rotary()])
