"""The inverse frequencies look like those that a cast ruins, but are pinned to float32 and exempt from autocasting:
no policy touches them."""

from typing import Any

import keras
import numpy as np
from keras import ops

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[1,2048,16]"]


@keras.saving.register_keras_serializable(package="corpus")
class PinnedRotary(keras.layers.Layer):
    """Rotates features by their positions."""

    def __init__(self, dim: int = 16, base: float = 10_000.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim, self.base = dim, base

    def build(self, input_shape: Any) -> None:
        self.inv_freq = self.add_weight(
            name="inv_freq", shape=(self.dim // 2,), dtype="float32", autocast=False, trainable=False
        )
        self.inv_freq.assign(self.base ** (-np.arange(0, self.dim, 2) / self.dim))

    def call(self, x: Any) -> Any:
        angles = ops.arange(x.shape[1], dtype="float32")[:, None] * self.inv_freq
        cos, sin = ops.cast(ops.cos(angles), x.dtype), ops.cast(ops.sin(angles), x.dtype)
        first, second = ops.split(x, 2, axis=-1)
        return ops.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((2048, 16)), keras.layers.Dense(16), PinnedRotary()])
