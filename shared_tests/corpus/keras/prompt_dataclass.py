"""The trained prompt is a ``keras.Variable`` in a dataclass, where Keras does not look: it is neither trained nor
saved."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

HAZARD: str | None = "P01"
ENTRY: str | None = "prompt"
ALSO: frozenset[str] = frozenset({"P07", "P09"})
INPUTS: list[str] = ["f32[2,6,8]"]


@dataclass
class Prompt:
    tokens: keras.Variable


@keras.saving.register_keras_serializable(package="corpus")
class PromptedPooling(keras.layers.Layer):
    """The mean of a sequence behind a trained prompt, then a dense layer."""

    def __init__(self, dim: int = 8, count: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prompt = Prompt(keras.Variable(keras.random.normal((count, dim)), name="prompt"))
        self.dense = keras.layers.Dense(4)

    def build(self, input_shape: Any) -> None:
        self.dense.build((input_shape[0], input_shape[-1]))

    def call(self, x: Any) -> Any:
        tokens = ops.cast(self.prompt.tokens, x.dtype)
        total = ops.sum(x, axis=1) + ops.sum(tokens, axis=0)
        return self.dense(total / (x.shape[1] + tokens.shape[0]))


def build() -> keras.Model:
    return keras.Sequential([keras.Input((6, 8)), PromptedPooling()])
