"""The filter bank is a NumPy array: each compiled call and each exported model holds all of it as a literal of the
program."""

from typing import Any

import keras
import numpy as np
from keras import ops

HAZARD: str | None = "C06"
ENTRY: str | None = "filters"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,65]"]


def triangles(bands: int, bins: int) -> np.ndarray:
    centres = np.expm1(np.linspace(0.0, np.log1p(bins - 1), bands + 2))
    rising = (np.arange(bins) - centres[:-2, None]) / np.diff(centres)[:-1, None]
    falling = (centres[2:, None] - np.arange(bins)) / np.diff(centres)[1:, None]
    return np.clip(np.minimum(rising, falling), 0.0, None).astype(np.float32)


@keras.saving.register_keras_serializable(package="corpus")
class MelBands(keras.layers.Layer):
    """The log energies of a power spectrum in bands."""

    def __init__(self, bands: int = 16, bins: int = 65, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = triangles(bands, bins)

    def call(self, spectrum: Any) -> Any:
        filters = ops.cast(ops.transpose(self.filters), spectrum.dtype)
        return ops.log(ops.matmul(ops.square(spectrum), filters) + 1e-3)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((65,)), MelBands(), keras.layers.Dense(8)])
