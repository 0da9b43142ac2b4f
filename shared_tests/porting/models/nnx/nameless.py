"""Layers whose names say nothing and that come in another order in each framework."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class Nameless(nnx.Module):
    """Series ``[batch, 5, 8]``."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.x = nnx.Linear(8, 8, rngs=rngs)
        self.y = nnx.Linear(8, 8, rngs=rngs)
        self.z = nnx.Linear(8, 8, rngs=rngs)
        self.query, self.key, self.value = (nnx.Linear(8, 8, rngs=rngs) for _ in range(3))

    def __call__(self, x: jax.Array) -> jax.Array:
        x = jnp.tanh(self.y(x))
        query, key, value = (layer(x).reshape(*x.shape[:2], 4, 2) for layer in (self.query, self.key, self.value))
        looks = nnx.softmax(jnp.einsum("bqhd,bkhd->bhqk", query, key))
        x = x + jnp.einsum("bhqk,bkhd->bqhd", looks, value).reshape(x.shape)
        return nnx.sigmoid(self.x(jnp.tanh(x))) * self.z(x)


def build() -> nnx.Module:
    return Nameless(rngs=nnx.Rngs(0))
