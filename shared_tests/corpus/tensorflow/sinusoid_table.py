"""The position table is a NumPy array on an attribute: ``tf.function`` and a saved model hold all of it as a
literal of the program."""

import numpy as np
import tensorflow as tf

HAZARD: str | None = "C06"
ENTRY: str | None = "table"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["i64[2,16]<100"]


def sinusoids(length: int, dim: int) -> np.ndarray:
    angles = np.outer(np.arange(length), 10_000.0 ** (-np.arange(0, dim, 2) / dim))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)


class Embedding(tf.Module):
    """Tokens and their positions."""

    def __init__(self, vocabulary: int = 100, dim: int = 16, length: int = 64) -> None:
        super().__init__()
        self.token = tf.Variable(tf.random.normal([vocabulary, dim]), name="token")
        self.table = sinusoids(length, dim)

    def __call__(self, tokens: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.token, tokens) + tf.constant(self.table)[: tf.shape(tokens)[1]]


def build() -> tf.Module:
    return Embedding()
