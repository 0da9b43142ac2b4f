"""The bias by distance is a table in the closure of a function that the attention is given: every compiled program
holds a copy of it as a literal of 16 KiB."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

HAZARD: str | None = "C06"
ENTRY: str | None = "distance"
ALSO: frozenset[str] = frozenset({"P07"})  # a function made inside of a function cannot be pickled
INPUTS: list[str] = ["f32[2,64,16]"]


def make_distance_bias(length: int, slope: float) -> Callable[[jax.Array], jax.Array]:
    positions = np.arange(length, dtype=np.float32)
    distance = np.abs(positions[:, None] - positions[None, :])

    def distance_bias(scores: jax.Array) -> jax.Array:
        return scores - slope * distance

    return distance_bias


class Attention(nn.Module):
    """Single-head self-attention of ``x`` ``[batch, length, features]``."""

    features: int
    distance_bias: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        query, key, value = jnp.split(nn.Dense(3 * self.features, use_bias=False)(x), 3, axis=-1)
        scores = self.distance_bias(query @ key.mT * self.features**-0.5)
        return nn.Dense(self.features)(jax.nn.softmax(scores) @ value)


def build() -> nn.Module:
    return Attention(16, make_distance_bias(64, 0.25))
