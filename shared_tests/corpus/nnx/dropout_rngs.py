"""Dropout draws from a generator that the module carries and that moves at every training pass; it is part of
``nnx.state``, and saved and restored with the rest."""

from __future__ import annotations

import jax
from flax import nnx

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class Classifier(nnx.Module):
    """A normalised two-layer network."""

    def __init__(self, features: int, classes: int, *, rngs: nnx.Rngs) -> None:
        self.inward = nnx.Linear(6, features, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(features, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.outward = nnx.Linear(features, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.outward(self.dropout(nnx.relu(self.norm(self.inward(x)))))


def build() -> nnx.Module:
    return Classifier(16, 3, rngs=nnx.Rngs(0))
