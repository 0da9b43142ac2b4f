"""Statistics that move and a dropout that draws look like hidden state; both are where Linen wants them, a collection
and a named random stream."""

from __future__ import annotations

import jax
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,4]"]


class Classifier(nn.Module):
    """A normalised two-layer network."""

    classes: int = 3

    @nn.compact
    def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
        x = nn.Dense(16, use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not training, momentum=0.9)(x))
        x = nn.Dropout(0.1, deterministic=not training)(x)
        return nn.Dense(self.classes)(x)


def build() -> nn.Module:
    return Classifier()
