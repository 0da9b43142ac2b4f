"""The running mean and variance are ``nnx.Param``: the optimizer counts them among what it trains and decays them,
while every forward pass moves them too."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = "G01"
ENTRY: str | None = "running"
ALSO: frozenset[str] = frozenset({"G03"})
INPUTS: list[str] = ["f32[8,6]"]


class Normalised(nnx.Module):
    """A linear layer whose outputs are normalised, by the batch in training and by running statistics else."""

    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.use_running_average = False
        self.linear = nnx.Linear(6, features, rngs=rngs)
        self.head = nnx.Linear(features, 2, rngs=rngs)
        self.running_mean = nnx.Param(jnp.zeros(features))
        self.running_variance = nnx.Param(jnp.ones(features))

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.linear(x)
        mean, variance = self.running_mean[...], self.running_variance[...]
        if not self.use_running_average:
            mean, variance = x.mean(0), x.var(0)
            self.running_mean[...] = 0.9 * self.running_mean[...] + 0.1 * jax.lax.stop_gradient(mean)
            self.running_variance[...] = 0.9 * self.running_variance[...] + 0.1 * jax.lax.stop_gradient(variance)
        return self.head((x - mean) * jax.lax.rsqrt(variance + 1e-5))


def build() -> nnx.Module:
    return Normalised(5, rngs=nnx.Rngs(0))
