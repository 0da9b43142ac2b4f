"""The fixed random target of a distillation is an ``nnx.Param`` behind a ``stop_gradient``: the optimizer lists it, and
weight decay shrinks what the model is to be measured against."""

from __future__ import annotations

import jax
from flax import nnx

HAZARD: str | None = "G03"
ENTRY: str | None = "target"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class Novelty(nnx.Module):
    """Random network distillation (Burda et al. 2018): the error of predicting a fixed random map of ``x``."""

    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.target = nnx.Param(rngs.params.normal((8, features)) * 8**-0.5)
        self.hidden = nnx.Linear(8, 32, rngs=rngs)
        self.guess = nnx.Linear(32, features, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        goal = nnx.tanh(x @ jax.lax.stop_gradient(self.target[...]))
        return (self.guess(nnx.relu(self.hidden(x))) - goal) ** 2


def build() -> nnx.Module:
    return Novelty(16, rngs=nnx.Rngs(0))
