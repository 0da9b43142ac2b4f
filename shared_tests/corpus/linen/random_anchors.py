"""The anchors of a radial basis layer are drawn from NumPy when the module is made, and are no variable: a checkpoint
loaded into another process meets other anchors."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

HAZARD: str | None = "P09"
ENTRY: str | None = "anchors"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,3]"]


def draw_anchors() -> np.ndarray:
    return np.random.normal(size=(16, 3)).astype(np.float32)


class RadialBasis(nn.Module):
    """Gaussian bumps at fixed anchors, and a trained readout."""

    width: float = 1.0
    anchors: np.ndarray = dataclasses.field(default_factory=draw_anchors)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        squared = ((x[:, None, :] - self.anchors) ** 2).sum(-1)
        return nn.Dense(2)(jnp.exp(-squared / (2 * self.width**2)))


def build() -> nn.Module:
    return RadialBasis()
