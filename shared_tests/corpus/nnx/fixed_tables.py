"""Tables of three kinds that nobody trains: a variable of a type of its own, an array marked as data, a NumPy one. NNX
counts all three as state, saves and moves them, and an optimizer over ``nnx.Param`` leaves them alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,20,16]"]


class Constant(nnx.Variable[jax.Array]):
    """Never trained."""


class Encoder(nnx.Module):
    """Adds sinusoids to ``x`` ``[batch, length, 16]``, blurs over time and mixes with a fixed random matrix."""

    def __init__(self, max_length: int, features: int, *, rngs: nnx.Rngs) -> None:
        angles = np.arange(max_length)[:, None] / 10000 ** (np.arange(0, features, 2) / features)
        self.positions = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)
        self.blur = nnx.data(jnp.array([0.25, 0.5, 0.25]))
        self.mix = Constant(rngs.params.normal((features, features)) * features**-0.5)
        self.head = nnx.Linear(features, 4, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        length = x.shape[1]
        x = x + self.positions[:length]
        padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
        x = sum(self.blur[i] * padded[:, i : i + length] for i in range(3))
        return self.head(jnp.tanh(x @ self.mix[...]))


def build() -> nnx.Module:
    return Encoder(64, 16, rngs=nnx.Rngs(0))
