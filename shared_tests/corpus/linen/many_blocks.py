"""A hundred and twenty-eight small submodules in stages: nothing is wrong with many of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,4]"]


class Gain(nn.Module):
    """One gain of a stage."""

    @nn.compact
    def __call__(self, features: int) -> jax.Array:
        return self.param("gain", nn.initializers.uniform(), (features,))


class Stage(nn.Module):
    """Scales by the mean of its gains."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        gains = jnp.concatenate([Gain()(x.shape[-1]) for _ in range(self.width)]).reshape(self.width, -1)
        return nn.tanh(x * (1 + gains.mean(0)))


class Deep(nn.Module):
    """Stages in sequence."""

    stages: int = 8
    width: int = 15

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for _ in range(self.stages):
            x = Stage(self.width)(x)
        return x


def build() -> nn.Module:
    return Deep()
