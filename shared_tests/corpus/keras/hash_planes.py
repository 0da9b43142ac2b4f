"""The hyperplanes of a hash are trainable weights, with a gradient through ``sign`` that is zero and not ``None``:
AdamW decays them and their offsets at every step."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = "G03"
ENTRY: str | None = "planes"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


@keras.saving.register_keras_serializable(package="corpus")
class HashedFeatures(keras.layers.Layer):
    """On which side of random hyperplanes an input lies."""

    def __init__(self, hashes: int = 12, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hashes = hashes

    def build(self, input_shape: Any) -> None:
        self.planes = self.add_weight(name="planes", shape=(input_shape[-1], self.hashes))
        self.offsets = self.add_weight(name="offsets", shape=(self.hashes,), initializer="random_normal")

    def call(self, x: Any) -> Any:
        return ops.sign(ops.matmul(x, self.planes) - self.offsets)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), HashedFeatures(), keras.layers.Dense(4)])
