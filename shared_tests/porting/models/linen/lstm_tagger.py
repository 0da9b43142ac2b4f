"""A bidirectional recurrent tagger (Huang et al. 2015, https://arxiv.org/abs/1508.01991)."""

from __future__ import annotations

from collections.abc import Callable

import jax
from flax import linen as nn


class Tagger(nn.Module):
    """Logits ``[batch, length, tags]`` of token numbers ``[batch, length]``."""

    cell: Callable[[int], nn.RNNCellBase] = nn.OptimizedLSTMCell
    vocab_size: int = 50
    embedding_size: int = 16
    hidden_size: int = 24
    tags: int = 9
    dropout_rate: float = 0.1

    def setup(self) -> None:
        self.embedding = nn.Embed(self.vocab_size, self.embedding_size)
        self.dropout = nn.Dropout(self.dropout_rate)
        self.bottom = self.bidirectional()
        self.top = self.bidirectional()
        self.head = nn.Dense(self.tags)

    def bidirectional(self) -> nn.Bidirectional:
        return nn.Bidirectional(nn.RNN(self.cell(self.hidden_size)), nn.RNN(self.cell(self.hidden_size)))

    def __call__(self, tokens: jax.Array, train: bool = False) -> jax.Array:
        x = self.dropout(self.embedding(tokens), deterministic=not train)
        x = self.dropout(self.bottom(x), deterministic=not train)
        return self.head(self.top(x))


def build() -> nn.Module:
    return Tagger()


def build_gru() -> nn.Module:
    return Tagger(nn.GRUCell)
