"""Every pass appends a penalty to a Python list of the module, and nobody empties it: memory grows by step, and under
``nnx.jit`` the list fills with dead tracers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = "G06"
ENTRY: str | None = "penalties"
ALSO: frozenset[str] = frozenset({"P07"})  # a compiled pass leaves a tracer in the list, which cannot be copied
INPUTS: list[str] = ["f32[8,16]"]


class Sparse(nnx.Module):
    """An autoencoder that keeps the penalty of its code for the training loop."""

    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.penalties: list[jax.Array] = []
        self.encode = nnx.Linear(features, 8, rngs=rngs)
        self.decode = nnx.Linear(8, features, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        code = nnx.softplus(self.encode(x))
        self.penalties.append(jnp.abs(code).mean(-1))
        return self.decode(code)


def build() -> nnx.Module:
    return Sparse(16, rngs=nnx.Rngs(0))
