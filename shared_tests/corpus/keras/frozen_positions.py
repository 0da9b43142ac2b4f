"""The sine table is the weight of an embedding with ``trainable=False``: freezing and unfreezing the model around
it makes the table a trained one."""

from typing import Any

import keras
import numpy as np
from keras import ops

HAZARD: str | None = "G07"
ENTRY: str | None = "positions"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["i64[2,16]<50"]


def sinusoids(length: int, dim: int) -> np.ndarray:
    angles = np.outer(np.arange(length), 10_000.0 ** (-np.arange(0, dim, 2) / dim))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


@keras.saving.register_keras_serializable(package="corpus")
class TextEmbedding(keras.layers.Layer):
    """Tokens and their positions."""

    def __init__(self, vocabulary: int = 50, length: int = 16, dim: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length, self.dim = length, dim
        self.token = keras.layers.Embedding(vocabulary, dim)
        self.positions = keras.layers.Embedding(length, dim, trainable=False, name="positions")

    def build(self, input_shape: Any) -> None:
        self.token.build(input_shape)
        self.positions.build(input_shape)
        self.positions.embeddings.assign(sinusoids(self.length, self.dim))

    def call(self, tokens: Any) -> Any:
        return self.token(tokens) + self.positions(ops.arange(tokens.shape[1]))


def build() -> keras.Model:
    return keras.Sequential([keras.Input((16,), dtype="int64"), TextEmbedding(), keras.layers.Dense(4)])
