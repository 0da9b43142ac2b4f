"""Returns are divided by a running deviation that a static helper keeps in NumPy: calls move it, it is no leaf, and
after a restart the value network starts from 1 again."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

HAZARD: str | None = "P09"
ENTRY: str | None = "scaler"
# Every pass moves what the next one divides by, and none of it is saved.
ALSO: frozenset[str] = frozenset({"M05"})
INPUTS: list[str] = ["f32[16,4]"]


class Scaler:
    """Running mean square of every feature, on the host."""

    def __init__(self, features: int) -> None:
        self.square = np.ones(features, np.float32)

    def __call__(self, x: jax.Array) -> jax.Array:
        if not isinstance(x, jax.core.Tracer):
            self.square = 0.9 * self.square + 0.1 * np.square(np.asarray(x)).mean(0)
        return x / np.sqrt(self.square)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ValueNetwork:
    """Values of states ``[batch, 4]``."""

    inward: jax.Array
    outward: jax.Array
    scaler: Scaler = dataclasses.field(metadata={"static": True})

    def __call__(self, states: jax.Array) -> jax.Array:
        return jnp.tanh(self.scaler(states) @ self.inward) @ self.outward


def build() -> ValueNetwork:
    first, second = jax.random.split(jax.random.key(0))
    return ValueNetwork(jax.random.normal(first, (4, 16)) / 2, jax.random.normal(second, (16, 1)) / 4, Scaler(4))
