"""The inverse frequencies are a float leaf: casting the tree to bfloat16 rounds them and the positions that they
multiply, and the angles of far positions are wrong by radians."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

HAZARD: str | None = "D07"
ENTRY: str | None = "inv_freq"
ALSO: frozenset[str] = frozenset({"G03"})  # the leaf has no gradient, and weight decay shrinks it
INPUTS: list[str] = ["f32[2,16,8]", "i32[2,16]<4096"]


class RotaryQuery(eqx.Module):
    """Projects ``x`` ``[batch, length, features]`` and rotates it by its position."""

    inv_freq: jax.Array
    query: eqx.nn.Linear

    def __init__(self, features: int, base: float = 10000.0, *, key: jax.Array) -> None:
        half = features // 2
        self.inv_freq = base ** (-jnp.arange(half) / half)
        self.query = eqx.nn.Linear(features, features, key=key)

    def __call__(self, x: jax.Array, positions: jax.Array) -> jax.Array:
        angles = positions[..., None] * jax.lax.stop_gradient(self.inv_freq)
        first, second = jnp.split(jax.vmap(jax.vmap(self.query))(x), 2, axis=-1)
        cos, sin = jnp.cos(angles), jnp.sin(angles)
        return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def build() -> eqx.Module:
    return RotaryQuery(8, key=jax.random.key(0))
