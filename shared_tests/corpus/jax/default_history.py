"""The history behind a moving average is a default value of the class, made once: every model of the process smooths
its outputs with those of all the others."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

HAZARD: str | None = "D06"
ENTRY: str | None = "history"
# The level moves with every pass, is not saved, and makes a used model answer otherwise than a new one.
ALSO: frozenset[str] = frozenset({"P09", "M05"})
INPUTS: list[str] = ["f32[4,6]"]


class History:
    """An exponential moving average of outputs, on the host."""

    def __init__(self) -> None:
        self.level = 0.0

    def smooth(self, outputs: jax.Array) -> jax.Array:
        if not isinstance(outputs, jax.core.Tracer):
            self.level = 0.9 * self.level + 0.1 * float(np.asarray(outputs).mean())
        return outputs - self.level


SHARED = History()


class Critic(eqx.Module):
    """Scores for ``x`` ``[batch, 6]``, centred by their history."""

    layer: eqx.nn.Linear
    history: History = eqx.field(static=True)

    def __init__(self, *, key: jax.Array, history: History = SHARED) -> None:
        self.layer = eqx.nn.Linear(6, 1, key=key)
        self.history = history

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.history.smooth(jnp.tanh(jax.vmap(self.layer)(x)))


def build() -> eqx.Module:
    return Critic(key=jax.random.key(0))
