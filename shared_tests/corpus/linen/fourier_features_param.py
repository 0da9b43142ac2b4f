"""The fixed random frequencies of a Fourier feature map stand in ``params`` behind a ``stop_gradient``: no gradient
reaches them, and AdamW's weight decay shrinks them all the same."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

HAZARD: str | None = "G03"
ENTRY: str | None = "frequencies"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,3]"]


class FourierFeatures(nn.Module):
    """A coordinate network on random Fourier features (Tancik et al. 2020)."""

    count: int = 32
    scale: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        frequencies = self.param("frequencies", nn.initializers.normal(self.scale), (x.shape[-1], self.count))
        angles = x @ jax.lax.stop_gradient(frequencies)
        features = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        return nn.Dense(2)(nn.gelu(nn.Dense(32)(features)))


def build() -> nn.Module:
    return FourierFeatures()
