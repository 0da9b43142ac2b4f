"""The running scale is the default value of an argument, one variable for all instances: each model's training pass
moves the statistics of every other one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = "D06"
ENTRY: str | None = "scale"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,4]"]


class Scaled(nnx.Module):
    """A linear layer on inputs divided by their running size."""

    def __init__(
        self,
        features: int,
        *,
        rngs: nnx.Rngs,
        scale: nnx.Variable[jax.Array] = nnx.BatchStat(jnp.ones(4)),  # noqa: B008
    ) -> None:
        self.use_running_average = False
        self.scale = scale
        self.linear = nnx.Linear(4, features, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        if not self.use_running_average:
            self.scale[...] = 0.9 * self.scale[...] + 0.1 * jnp.abs(x).mean(0)
        return self.linear(x / self.scale[...])


def build() -> nnx.Module:
    return Scaled(3, rngs=nnx.Rngs(0))
