"""The attention bias is kept under the length, which is all that it depends on: never stale, and made again when it
is missing."""

from typing import Any

import keras
import numpy as np
from keras import ops

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,12,8]"]


@keras.saving.register_keras_serializable(package="corpus")
class BiasedAttention(keras.layers.Layer):
    """Attention with a penalty on the distance."""

    def __init__(self, dim: int = 8, slope: float = 0.25, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slope = slope
        self.qkv = keras.layers.Dense(3 * dim)
        self._kept: tuple[int, np.ndarray] | None = None

    def build(self, input_shape: Any) -> None:
        self.qkv.build(input_shape)

    def bias(self, length: int) -> np.ndarray:
        if self._kept is None or self._kept[0] != length:
            position = np.arange(length)
            distance = np.abs(position[:, None] - position[None, :])
            self._kept = length, (-self.slope * distance).astype("float32")
        return self._kept[1]

    def call(self, x: Any) -> Any:
        q, k, v = ops.split(self.qkv(x), 3, axis=-1)
        scores = ops.matmul(q, ops.swapaxes(k, 1, 2)) / x.shape[-1] ** 0.5
        return ops.matmul(ops.softmax(scores + ops.cast(self.bias(x.shape[1]), x.dtype)), v)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((12, 8)), BiasedAttention()])
