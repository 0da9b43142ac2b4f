"""The embedding stands in two places of the model and once in its tree, by ``eqx.nn.Shared``: there is one copy to
train, save and move."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["i32[2,6]<32"]


class LanguageModel(eqx.Module):
    """Token embedding, one layer, and logits by the same table."""

    tied: eqx.nn.Shared
    mix: eqx.nn.Linear

    def __init__(self, tokens: int, features: int, *, key: jax.Array) -> None:
        first, second, third = jax.random.split(key, 3)
        embed = eqx.nn.Embedding(tokens, features, key=first)
        head = eqx.nn.Linear(features, tokens, use_bias=False, key=second)
        self.tied = eqx.nn.Shared((embed, head), where=lambda pair: pair[1].weight, get=lambda pair: pair[0].weight)
        self.mix = eqx.nn.Linear(features, features, key=third)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        embed, head = self.tied()
        hidden = jax.vmap(jax.vmap(embed))(tokens)
        return jax.vmap(jax.vmap(lambda row: head(jnp.tanh(self.mix(row)))))(hidden)


def build() -> eqx.Module:
    return LanguageModel(32, 8, key=jax.random.key(0))
