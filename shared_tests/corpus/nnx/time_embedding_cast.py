"""The frequencies of a time embedding are a float leaf: cast to bfloat16 with the rest of the model, they and the
timesteps that they multiply lose the precision that tells step 998 from step 999."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = "D07"
ENTRY: str | None = "frequencies"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]", "i32[4]<1000"]


class Denoiser(nnx.Module):
    """One layer that is told the timestep."""

    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.frequencies = nnx.data(jnp.exp(-math.log(10000.0) * jnp.arange(8) / 8))
        self.inward = nnx.Linear(features, 16, rngs=rngs)
        self.time = nnx.Linear(16, 16, rngs=rngs)
        self.outward = nnx.Linear(16, features, rngs=rngs)

    def __call__(self, x: jax.Array, timesteps: jax.Array) -> jax.Array:
        angles = timesteps[:, None].astype(self.frequencies.dtype) * self.frequencies
        embedding = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        return self.outward(nnx.silu(self.inward(x) + self.time(embedding)))


def build() -> nnx.Module:
    return Denoiser(8, rngs=nnx.Rngs(0))
