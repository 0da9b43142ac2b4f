"""Attention maps are sown at every pass, which looks like state that comes and goes; they exist only for a caller who
asks for ``intermediates``, and are never part of a checkpoint."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,10,8]"]


class Pooling(nn.Module):
    """Pools ``x`` ``[batch, length, features]`` by learnt attention."""

    classes: int = 3

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        scores = nn.Dense(1, use_bias=False)(nn.tanh(nn.Dense(16)(x)))
        weights = jax.nn.softmax(scores, axis=1)
        self.sow("intermediates", "attention", weights)
        return nn.Dense(self.classes)(jnp.sum(weights * x, axis=1))


def build() -> nn.Module:
    return Pooling()
