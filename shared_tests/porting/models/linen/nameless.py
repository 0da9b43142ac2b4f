"""Layers whose names say nothing and that come in another order in each framework."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn


class Nameless(nn.Module):
    """Series ``[batch, 5, 8]``."""

    def setup(self) -> None:
        self.query, self.key, self.value = (nn.DenseGeneral((4, 2)) for _ in range(3))
        self.x = nn.Dense(8)
        self.y = nn.Dense(8)
        self.z = nn.Dense(8)

    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = jnp.tanh(self.y(x))
        looks = nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", self.query(x), self.key(x)))
        x = x + jnp.einsum("bhqk,bkhd->bqhd", looks, self.value(x)).reshape(x.shape)
        return nn.sigmoid(self.x(jnp.tanh(x))) * self.z(x)


def build() -> nn.Module:
    return Nameless()
