"""An index of 4 KiB and a mask of 1 KiB that never change are leaves beside the weights: they are integer and bool, so
that they are saved and moved, but neither trained nor cast, and arguments of a program and no literals."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,32,8]"]


class Attention(eqx.Module):
    """Causal self-attention of ``x`` ``[batch, 32, features]`` with a learnt bias by distance."""

    index: jax.Array
    mask: jax.Array
    bias: jax.Array
    project: eqx.nn.Linear
    join: eqx.nn.Linear

    def __init__(self, length: int, features: int, *, key: jax.Array) -> None:
        first, second, third = jax.random.split(key, 3)
        positions = jnp.arange(length)
        self.index = positions[:, None] - positions[None, :] + length - 1
        self.mask = jnp.tril(jnp.ones((length, length), bool))
        self.bias = 0.1 * jax.random.normal(first, (2 * length - 1,))
        self.project = eqx.nn.Linear(features, 3 * features, use_bias=False, key=second)
        self.join = eqx.nn.Linear(features, features, key=third)

    def __call__(self, x: jax.Array) -> jax.Array:
        query, key, value = jnp.split(jax.vmap(jax.vmap(self.project))(x), 3, axis=-1)
        scores = query @ key.mT * x.shape[-1] ** -0.5 + self.bias[self.index]
        weights = jax.nn.softmax(jnp.where(self.mask, scores, -jnp.inf))
        return jax.vmap(jax.vmap(self.join))(weights @ value)


def build() -> eqx.Module:
    return Attention(32, 8, key=jax.random.key(0))
