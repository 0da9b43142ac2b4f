"""Properties that raise while the module is unbound or has not been asked yet, and one that counts its readers: a walk
over the attributes trips over them, a user never does."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["i32[2,6]<32"]

READERS = {"description": 0}


class TiedModel(nn.Module):
    """Token embedding, one layer, and logits by the same table."""

    tokens: int = 32
    features: int = 8

    def setup(self) -> None:
        self.embed = nn.Embed(self.tokens, self.features)
        self.mix = nn.Dense(self.features)

    @property
    def table(self) -> jax.Array:
        return self.embed.embedding

    @property
    def tokenizer(self) -> object:
        raise RuntimeError("no tokenizer was attached to this model")

    @property
    def description(self) -> str:
        READERS["description"] += 1
        return f"{self.tokens} tokens, read {READERS['description']} times"

    def __call__(self, tokens: jax.Array) -> jax.Array:
        hidden = jnp.tanh(self.mix(self.embed(tokens)))
        return self.embed.attend(hidden)


def build() -> nn.Module:
    return TiedModel()
