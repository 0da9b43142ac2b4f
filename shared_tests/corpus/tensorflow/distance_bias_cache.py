"""The attention bias is kept under the length, which is all that it depends on: never stale, and made again when it
is missing."""

import numpy as np
import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,12,8]"]


class BiasedAttention(tf.Module):
    """Attention with a penalty on the distance."""

    def __init__(self, dim: int = 8, slope: float = 0.25) -> None:
        super().__init__()
        self.slope = slope
        self.qkv = tf.Variable(tf.random.normal([dim, 3 * dim]) / dim**0.5, name="qkv")
        self._kept: tuple[int, np.ndarray] | None = None

    def bias(self, length: int) -> np.ndarray:
        if self._kept is None or self._kept[0] != length:
            position = np.arange(length)
            distance = np.abs(position[:, None] - position[None, :])
            self._kept = length, np.float32(-self.slope) * distance.astype(np.float32)
        return self._kept[1]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        q, k, v = tf.split(x @ self.qkv, 3, axis=-1)
        scores = tf.matmul(q, k, transpose_b=True) / x.shape[-1] ** 0.5 + self.bias(x.shape[1])
        return tf.nn.softmax(scores) @ v


def build() -> tf.Module:
    return BiasedAttention()
