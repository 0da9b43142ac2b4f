"""The meter of the loss scale is a default value of the class, made once: all instances of the module read and move
the same one, so that training one model changes the outputs of another."""

from __future__ import annotations

import jax
import numpy as np
from flax import linen as nn

HAZARD: str | None = "D06"
ENTRY: str | None = "meter"
ALSO: frozenset[str] = frozenset({"P09"})  # the level moves in training and is not saved
INPUTS: list[str] = ["f32[8,4]"]


class Meter:
    """A moving average of the size of what it sees."""

    def __init__(self, decay: float = 0.9) -> None:
        self.level = 1.0
        self.decay = decay

    def update(self, batch: jax.Array) -> None:
        self.level = self.decay * self.level + (1 - self.decay) * float(np.abs(np.asarray(batch)).mean())


class Scaled(nn.Module):
    """A linear layer on inputs divided by their usual size."""

    features: int = 3
    meter: Meter = Meter()

    @nn.compact
    def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
        if training:
            self.meter.update(x)
        return nn.Dense(self.features)(x / self.meter.level)


def build() -> nn.Module:
    return Scaled()
