"""The range that a fake quantiser has observed is a Python float: training moves it, and because it is no variable, a
restored model quantises with the range it was born with."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = "P09"
ENTRY: str | None = "amax"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,4]"]


class FakeQuantize(nnx.Module):
    """A linear layer on inputs rounded to int8 with the largest magnitude seen in training."""

    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.deterministic = False
        self.amax = 1.0
        self.linear = nnx.Linear(4, features, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        if not self.deterministic:
            self.amax = 0.9 * self.amax + 0.1 * float(jnp.abs(x).max())
        scale = self.amax / 127
        rounded = jnp.clip(jnp.round(x / scale), -127, 127) * scale
        return self.linear(x + jax.lax.stop_gradient(rounded - x))


def build() -> nnx.Module:
    return FakeQuantize(3, rngs=nnx.Rngs(0))
