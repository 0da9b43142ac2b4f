"""A plain network whose activation is a leaf that is no array, and a dropout that draws only when it is given a key:
all state is in the arrays of the tree."""

from __future__ import annotations

import equinox as eqx
import jax

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})  # Equinox's own MLP holds a lambda, which pickle refuses from the start
INPUTS: list[str] = ["f32[8,6]"]


class Classifier(eqx.Module):
    """Logits for ``x`` ``[batch, 6]``."""

    mlp: eqx.nn.MLP
    dropout: eqx.nn.Dropout
    head: eqx.nn.Linear

    def __init__(self, classes: int, *, key: jax.Array) -> None:
        first, second = jax.random.split(key)
        self.mlp = eqx.nn.MLP(6, 16, 32, 1, activation=jax.nn.gelu, key=first)
        self.dropout = eqx.nn.Dropout(0.1)
        self.head = eqx.nn.Linear(16, classes, key=second)

    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
        hidden = self.dropout(jax.vmap(self.mlp)(x), key=key, inference=key is None)
        return jax.vmap(self.head)(hidden)


def build() -> eqx.Module:
    return Classifier(3, key=jax.random.key(0))
