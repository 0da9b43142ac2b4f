"""A random matrix that is never trained, behind a ``stop_gradient``: it stands in a collection of its own, so that it
is saved and moved, and the optimizer, which is handed ``params``, does not see it."""

from __future__ import annotations

import jax
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class Novelty(nn.Module):
    """Random network distillation (Burda et al. 2018): the error of predicting a fixed random map of ``x``."""

    features: int = 64

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def draw() -> jax.Array:
            return jax.random.normal(self.make_rng("params"), (x.shape[-1], self.features)) * x.shape[-1] ** -0.5

        target = self.variable("constants", "target", draw)
        goal = nn.tanh(x @ jax.lax.stop_gradient(target.value))
        guess = nn.Dense(self.features)(nn.relu(nn.Dense(32)(x)))
        return (guess - goal) ** 2


def build() -> nn.Module:
    return Novelty()
