"""Running statistics live in a NumPy helper beside the module and not in a collection: training moves them, no
checkpoint has them, and a restored model normalises with zeros and ones."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from flax import linen as nn

HAZARD: str | None = "P09"
ENTRY: str | None = "scaler"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,4]"]


class Scaler:
    """Running mean and variance of observations, kept on the host."""

    def __init__(self, features: int, momentum: float = 0.1) -> None:
        self.mean = np.zeros(features, np.float32)
        self.variance = np.ones(features, np.float32)
        self.momentum = momentum

    def update(self, batch: jax.Array) -> None:
        rows = np.asarray(batch)
        self.mean += self.momentum * (rows.mean(0) - self.mean)
        self.variance += self.momentum * (rows.var(0) - self.variance)


class Policy(nn.Module):
    """Actions for observations ``[batch, 4]``."""

    actions: int = 2
    scaler: Scaler = dataclasses.field(default_factory=lambda: Scaler(4))

    @nn.compact
    def __call__(self, observations: jax.Array, training: bool = False) -> jax.Array:
        if training:
            self.scaler.update(observations)
        normal = (observations - self.scaler.mean) / np.sqrt(self.scaler.variance + 1e-5)
        return nn.Dense(self.actions)(nn.tanh(nn.Dense(16)(normal)))


def build() -> nn.Module:
    return Policy()
