"""The low-rank adapter sits in a plain Python object, which NNX takes for configuration: its two parameters are in no
``nnx.state``, so that they are neither trained nor saved."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = "P01"
ENTRY: str | None = "adapter"
# Drawn by the constructor and not saved; left behind by a move; a tracer where the module is built abstractly.
ALSO: frozenset[str] = frozenset({"P09", "D02", "P11"})
INPUTS: list[str] = ["f32[4,8]"]


class Adapter:
    """``x @ down @ up``, of low rank."""

    def __init__(self, features: int, rank: int, rngs: nnx.Rngs) -> None:
        self.down = nnx.Param(rngs.params.normal((features, rank)) * features**-0.5)
        self.up = nnx.Param(rngs.params.normal((rank, features)) * rank**-0.5)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.down[...] @ self.up[...]


class AdaptedLinear(nnx.Module):
    """A linear layer with an adapter beside it."""

    def __init__(self, features: int, rank: int, *, rngs: nnx.Rngs) -> None:
        self.base = nnx.Linear(features, features, rngs=rngs)
        self.adapter = Adapter(features, rank, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.tanh(self.base(x) + self.adapter(x))


def build() -> nnx.Module:
    return AdaptedLinear(8, 2, rngs=nnx.Rngs(0))
