"""A queue of keys and its pointer, moved by every training pass and behind a ``stop_gradient``: both are variables and
not parameters, so that they are saved and the optimizer leaves them alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class Contrast(nnx.Module):
    """Similarities of embeddings with those of earlier batches (He et al. 2020)."""

    def __init__(self, features: int, size: int, *, rngs: nnx.Rngs) -> None:
        self.deterministic = False
        self.embed = nnx.Linear(8, features, rngs=rngs)
        self.queue = nnx.BatchStat(rngs.params.normal((size, features)))
        self.pointer = nnx.BatchStat(jnp.zeros((), jnp.int32))

    def __call__(self, x: jax.Array) -> jax.Array:
        keys = self.embed(x)
        similar = keys @ jax.lax.stop_gradient(self.queue[...]).T
        if not self.deterministic:
            rows = (self.pointer[...] + jnp.arange(len(x))) % len(self.queue[...])
            self.queue[...] = self.queue[...].at[rows].set(jax.lax.stop_gradient(keys))
            self.pointer[...] = (self.pointer[...] + len(x)) % len(self.queue[...])
        return similar


def build() -> nnx.Module:
    return Contrast(6, 64, rngs=nnx.Rngs(0))
