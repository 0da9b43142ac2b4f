"""The trained temperature is a class attribute: no instance lists it, no optimizer trains it, no checkpoint has it,
and all models of the process share it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = "P01"
ENTRY: str | None = "temperature"
ALSO: frozenset[str] = frozenset({"D02", "D06"})
INPUTS: list[str] = ["f32[4,8]", "f32[4,8]"]


class Contrastive(nnx.Module):
    """Similarities of two batches of embeddings, sharpened by a temperature."""

    temperature = nnx.Param(jnp.full((1,), 2.5))

    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.left = nnx.Linear(features, features, rngs=rngs)
        self.right = nnx.Linear(features, features, rngs=rngs)

    def __call__(self, left: jax.Array, right: jax.Array) -> jax.Array:
        return self.left(left) @ self.right(right).T * jnp.exp(self.temperature[...])


def build() -> nnx.Module:
    return Contrastive(8, rngs=nnx.Rngs(0))
