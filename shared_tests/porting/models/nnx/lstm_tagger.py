"""A bidirectional recurrent tagger (Huang et al. 2015, https://arxiv.org/abs/1508.01991)."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx


def bidirectional(cell: Any, inward: int, hidden: int, *, rngs: nnx.Rngs) -> nnx.Bidirectional:
    forward = nnx.RNN(cell(inward, hidden, rngs=rngs))
    backward = nnx.RNN(cell(inward, hidden, rngs=rngs))
    return nnx.Bidirectional(forward, backward, rngs=rngs)


class Tagger(nnx.Module):
    """Logits ``[batch, length, tags]`` of token numbers ``[batch, length]``."""

    def __init__(
        self,
        cell: Any = nnx.OptimizedLSTMCell,
        vocabulary: int = 50,
        features: int = 16,
        hidden: int = 24,
        tags: int = 9,
        dropout: float = 0.1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.embedding = nnx.Embed(vocabulary, features, rngs=rngs)
        self.layers = nnx.List(
            [
                bidirectional(cell, features, hidden, rngs=rngs),
                bidirectional(cell, 2 * hidden, hidden, rngs=rngs),
            ]
        )
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.head = nnx.Linear(2 * hidden, tags, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        x: Any = self.embedding(tokens)
        for layer in self.layers:
            x = layer(self.dropout(x))
        logits: jax.Array = self.head(x)
        return logits


def build() -> nnx.Module:
    return Tagger(rngs=nnx.Rngs(0))


def build_plain() -> nnx.Module:
    """With a kernel for each gate instead of one for all."""
    return Tagger(nnx.LSTMCell, rngs=nnx.Rngs(0))


def build_gru() -> nnx.Module:
    """NNX's cell has no bias on the side of the state."""
    return Tagger(nnx.GRUCell, rngs=nnx.Rngs(0))
