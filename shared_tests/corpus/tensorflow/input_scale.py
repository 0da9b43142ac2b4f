"""The largest value seen, which inputs are divided by, is a NumPy number that training moves: it is in no
checkpoint, and a restored model divides by 1."""

import numpy as np
import tensorflow as tf

HAZARD: str | None = "P09"
ENTRY: str | None = "largest"
ALSO: frozenset[str] = frozenset({"M05"})
INPUTS: list[str] = ["f32[8,6]"]


class ScaledDense(tf.Module):
    """A dense layer on inputs that are divided by the largest value seen."""

    def __init__(self, features: int = 6, outputs: int = 4) -> None:
        super().__init__()
        self.largest = np.float32(1.0)
        self.kernel = tf.Variable(tf.random.normal([features, outputs]), name="kernel")

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training:
            self.largest = np.maximum(self.largest, tf.reduce_max(tf.abs(x)).numpy())
        return (x / self.largest) @ self.kernel


def build() -> tf.Module:
    return ScaledDense()
