"""The output uses the weight of the embedding: one weight in two places, which is listed and saved once."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["i64[2,12]<50"]


@keras.saving.register_keras_serializable(package="corpus")
class LanguageModel(keras.layers.Layer):
    """Next tokens from a hidden layer, with a tied output."""

    def __init__(self, vocabulary: int = 50, dim: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embedding = keras.layers.Embedding(vocabulary, dim)
        self.hidden = keras.layers.Dense(dim, activation="tanh")

    def build(self, input_shape: Any) -> None:
        self.embedding.build(input_shape)
        self.hidden.build(self.embedding.compute_output_shape(input_shape))

    def call(self, tokens: Any) -> Any:
        hidden = self.hidden(self.embedding(tokens))
        return ops.matmul(hidden, ops.transpose(self.embedding.embeddings))


def build() -> keras.Model:
    return keras.Sequential([keras.Input((12,), dtype="int64"), LanguageModel()])
