"""One embedding is held under two attributes and read in two places: NNX saves a shared variable once and keeps it
shared."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["i32[2,6]<32"]


class Head(nnx.Module):
    """Logits by an embedding."""

    def __init__(self, embed: nnx.Embed) -> None:
        self.embed = embed

    def __call__(self, hidden: jax.Array) -> jax.Array:
        return self.embed.attend(hidden)


class LanguageModel(nnx.Module):
    """Token embedding, one layer, and logits by the same table."""

    def __init__(self, tokens: int, features: int, *, rngs: nnx.Rngs) -> None:
        self.embed = nnx.Embed(tokens, features, rngs=rngs)
        self.mix = nnx.Linear(features, features, rngs=rngs)
        self.head = Head(self.embed)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        return self.head(jnp.tanh(self.mix(self.embed(tokens))))


def build() -> nnx.Module:
    return LanguageModel(32, 8, rngs=nnx.Rngs(0))
