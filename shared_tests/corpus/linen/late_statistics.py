"""The running peak is created in training mode only: it is missing from what ``init`` gives, appears with the first
training pass, and Flax drops it when the checkpoint is loaded into a fresh model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

HAZARD: str | None = "P12"
ENTRY: str | None = "peak"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,4]"]


class Clipped(nn.Module):
    """A normalised layer whose outputs are clipped to the largest ones seen in training."""

    features: int = 4

    @nn.compact
    def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
        x = nn.BatchNorm(use_running_average=not training)(nn.Dense(self.features)(x))
        if training:
            peak = self.variable("batch_stats", "peak", jnp.zeros, (self.features,))
            peak.value = jnp.maximum(0.99 * peak.value, jnp.abs(x).max(0))
        elif self.has_variable("batch_stats", "peak"):
            limit = self.get_variable("batch_stats", "peak")
            x = jnp.clip(x, -limit, limit)
        return nn.Dense(2)(x)


def build() -> nn.Module:
    return Clipped()
