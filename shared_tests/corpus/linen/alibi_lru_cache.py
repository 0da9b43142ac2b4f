"""A process-wide ``lru_cache`` holds the slopes; it is keyed by everything that they depend on, and what it gives is
NumPy, a few bytes, and never a tracer."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,48,16]"]


@functools.lru_cache(maxsize=8)
def slopes(heads: int) -> np.ndarray:
    return 2.0 ** (-8.0 * np.arange(1, heads + 1, dtype=np.float32) / heads)


class AlibiAttention(nn.Module):
    """Self-attention with linear biases (Press 2021) over ``x`` ``[batch, length, features]``."""

    features: int = 16
    heads: int = 4

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        split = (*x.shape[:2], self.heads, self.features // self.heads)
        query, key, value = (
            nn.Dense(self.features, use_bias=False, name=name)(x).reshape(split) for name in ("query", "key", "value")
        )
        positions = jnp.arange(x.shape[1])
        distance = jnp.abs(positions[:, None] - positions[None, :])
        scores = jnp.einsum("bihd,bjhd->bhij", query, key) * split[-1] ** -0.5
        weights = jax.nn.softmax(scores - slopes(self.heads)[:, None, None] * distance)
        return nn.Dense(self.features)(jnp.einsum("bhij,bjhd->bihd", weights, value).reshape(x.shape))


def build() -> nn.Module:
    return AlibiAttention()
