"""The random projection is a NumPy array that the constructor draws: no file holds it, and a loaded or copied model
projects otherwise."""

from typing import Any

import keras
import numpy as np
from keras import ops

HAZARD: str | None = "P09"
ENTRY: str | None = "projection"
ALSO: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,6]"]


@keras.saving.register_keras_serializable(package="corpus")
class RandomFeatures(keras.layers.Layer):
    """Cosines of random projections."""

    def __init__(self, features: int = 6, count: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.projection = np.random.normal(size=(features, count)).astype("float32")

    def call(self, x: Any) -> Any:
        return ops.cos(ops.matmul(x, ops.cast(self.projection, x.dtype)))


def build() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), RandomFeatures(), keras.layers.Dense(4)])
