"""The moving average is created by the first training pass: until then no listing has it, so that a checkpoint from
before and one from after do not have the same entries."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = "P12"
ENTRY: str | None = "average"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,4]"]


class Centred(nnx.Module):
    """A linear layer whose outputs are centred by their moving average."""

    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.deterministic = False
        self.linear = nnx.Linear(4, features, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.linear(x)
        if not self.deterministic:
            if not hasattr(self, "average"):
                self.average = nnx.BatchStat(jnp.zeros(x.shape[-1], x.dtype))
            self.average[...] = 0.9 * self.average[...] + 0.1 * jax.lax.stop_gradient(x.mean(0))
        return x - self.average[...] if hasattr(self, "average") else x


def build() -> nnx.Module:
    return Centred(3, rngs=nnx.Rngs(0))
