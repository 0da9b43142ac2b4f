"""The inverse frequencies are a float variable like any other: after a cast to bfloat16 the angles of far positions
are wrong by radians, and attention looks at the wrong places."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

HAZARD: str | None = "D07"
ENTRY: str | None = "inv_freq"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,16,8]", "i32[2,16]<4096"]


class RotaryQuery(nn.Module):
    """Projects ``x`` ``[batch, length, features]`` and rotates it by its position."""

    features: int
    base: float = 10000.0

    @nn.compact
    def __call__(self, x: jax.Array, positions: jax.Array) -> jax.Array:
        half = self.features // 2
        inv_freq = self.variable("constants", "inv_freq", lambda: self.base ** (-jnp.arange(half) / half))
        query = nn.Dense(self.features)(x)
        angles = positions[..., None] * inv_freq.value
        first, second = jnp.split(query, 2, axis=-1)
        cos, sin = jnp.cos(angles), jnp.sin(angles)
        return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def build() -> nn.Module:
    return RotaryQuery(8)
