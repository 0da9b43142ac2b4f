"""The position table is large and constant, and a variable with ``trainable=False``: programs refer to it,
checkpoints hold it, no optimizer gets it."""

import numpy as np
import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
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
        self.table = tf.Variable(sinusoids(length, dim), trainable=False, name="table")

    def __call__(self, tokens: tf.Tensor) -> tf.Tensor:
        return tf.gather(self.token, tokens) + self.table[: tf.shape(tokens)[1]]


def build() -> tf.Module:
    return Embedding()
