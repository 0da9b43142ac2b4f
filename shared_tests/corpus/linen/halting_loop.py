"""The number of steps depends on the data, by ``lax.while_loop`` and ``lax.cond``; the activation is a lambda, which
pickle refuses from the start and everything else tolerates."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,8]"]


def too_large(x: jax.Array) -> jax.Array:
    return jnp.abs(x).max() > 1


def halved(x: jax.Array) -> jax.Array:
    return x / 2


class Halting(nn.Module):
    """Halves ``x`` until it is small, then applies one of two branches and a layer."""

    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        small = jax.lax.while_loop(too_large, halved, jax.lax.stop_gradient(x))
        small = jax.lax.cond(small.mean() > 0, jnp.positive, jnp.negative, small)
        return nn.Dense(3)(self.activation(nn.Dense(16)(small)))


def build() -> nn.Module:
    return Halting(activation=lambda x: x * jax.nn.sigmoid(1.702 * x))
