"""The mel filter bank is made in ``setup`` and is no variable: it is baked into every compiled program, 8 KiB each
time, and cannot be listed, loaded or moved."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

HAZARD: str | None = "C06"
ENTRY: str | None = "filters"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,6,128]"]


def mel_filters(bins: int, bands: int) -> np.ndarray:
    """Triangles ``[bins, bands]`` whose centres are evenly spaced in mel."""
    hertz = np.linspace(0, 8000, bins)
    edges = 700 * (10 ** (np.linspace(0, 2840, bands + 2) / 2595) - 1)
    rising = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


class LogMel(nn.Module):
    """Frames ``[batch, time, samples]`` to features."""

    bands: int = 32
    features: int = 16

    def setup(self) -> None:
        self.filters = mel_filters(65, self.bands)
        self.project = nn.Dense(self.features)

    def __call__(self, frames: jax.Array) -> jax.Array:
        power = jnp.abs(jnp.fft.rfft(frames.astype(jnp.float32))) ** 2
        return self.project(jnp.log(power @ self.filters + 1e-6))


def build() -> nn.Module:
    return LogMel()
