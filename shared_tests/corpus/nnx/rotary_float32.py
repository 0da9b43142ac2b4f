"""Rotary positions without any state: the frequencies are computed in float32 from the configuration at every call, out
of the reach of a cast, and the mask comes out of an iota and is no literal."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,48,16]", "i32[2,48]<4096"]


def rotate(x: jax.Array, positions: jax.Array, base: float = 10000.0) -> jax.Array:
    half = x.shape[-1] // 2
    inv_freq = base ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = positions[..., None].astype(jnp.float32) * inv_freq
    cos, sin = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


class RotaryAttention(nnx.Module):
    """Causal self-attention of ``x`` ``[batch, length, features]``."""

    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.project = nnx.Linear(features, 3 * features, use_bias=False, rngs=rngs)
        self.join = nnx.Linear(features, features, rngs=rngs)

    def __call__(self, x: jax.Array, positions: jax.Array) -> jax.Array:
        query, key, value = jnp.split(self.project(x), 3, axis=-1)
        query, key = rotate(query, positions), rotate(key, positions)
        causal = jnp.tril(jnp.ones((x.shape[1], x.shape[1]), bool))
        scores = jnp.where(causal, query @ key.mT * x.shape[-1] ** -0.5, -jnp.inf)
        return self.join(jax.nn.softmax(scores) @ value)


def build() -> nnx.Module:
    return RotaryAttention(16, rngs=nnx.Rngs(0))
