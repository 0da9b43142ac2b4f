"""A small encoder and decoder for translation (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762), normalised first
(Xiong et al. 2020, https://arxiv.org/abs/2002.04745)."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Table(nnx.Variable[jax.Array]):
    """What is computed once and not trained."""


def sinusoid(length: int, features: int) -> jax.Array:
    """``[length, features]``: a sine and a cosine in turn."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, features, 2) / features)
    return jnp.asarray(np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, features), jnp.float32)


class FeedForward(nnx.Module):
    """Two dense layers at every place."""

    def __init__(self, features: int, dropout: float, *, rngs: nnx.Rngs) -> None:
        self.inward = nnx.Linear(features, 4 * features, rngs=rngs)
        self.outward = nnx.Linear(4 * features, features, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.gelu(self.inward(x), approximate=False)
        return self.outward(self.dropout(x))


class EncoderLayer(nnx.Module):
    """Self-attention and a perceptron, each on normalised inputs."""

    def __init__(self, features: int, heads: int, dropout: float, *, rngs: nnx.Rngs) -> None:
        self.attention = nnx.MultiHeadAttention(heads, features, dropout_rate=dropout, decode=False, rngs=rngs)
        self.attention_norm = nnx.LayerNorm(features, epsilon=1e-5, rngs=rngs)
        self.feed_forward = FeedForward(features, dropout, rngs=rngs)
        self.feed_forward_norm = nnx.LayerNorm(features, epsilon=1e-5, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class DecoderLayer(nnx.Module):
    """Causal self-attention, attention to what was encoded, and a perceptron, each on normalised inputs."""

    def __init__(self, features: int, heads: int, dropout: float, *, rngs: nnx.Rngs) -> None:
        norm = partial(nnx.LayerNorm, features, epsilon=1e-5, rngs=rngs)
        attention = partial(nnx.MultiHeadAttention, heads, features, dropout_rate=dropout, decode=False, rngs=rngs)
        self.attention, self.attention_norm = attention(), norm()
        self.cross_attention, self.cross_attention_norm = attention(), norm()
        self.feed_forward, self.feed_forward_norm = FeedForward(features, dropout, rngs=rngs), norm()
        self.dropout = nnx.Dropout(dropout, rngs=rngs)

    def __call__(self, x: jax.Array, memory: jax.Array, mask: jax.Array) -> jax.Array:
        x = x + self.dropout(self.attention(self.attention_norm(x), mask=mask))
        x = x + self.dropout(self.cross_attention(self.cross_attention_norm(x), memory))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))


class Transformer(nnx.Module):
    """Logits ``[batch, target length, vocabulary]`` of the next token, from token numbers of a source and a target."""

    def __init__(
        self,
        vocabulary: int = 50,
        features: int = 32,
        heads: int = 4,
        layers: int = 2,
        length: int = 16,
        dropout: float = 0.1,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.scale = features**0.5
        self.source_embedding = nnx.Embed(vocabulary, features, rngs=rngs)
        self.target_embedding = nnx.Embed(vocabulary, features, rngs=rngs)
        self.source_positions = Table(sinusoid(length, features))
        self.target_positions = nnx.Embed(length, features, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.encoder = nnx.List([EncoderLayer(features, heads, dropout, rngs=rngs) for _ in range(layers)])
        self.encoder_norm = nnx.LayerNorm(features, epsilon=1e-5, rngs=rngs)
        self.decoder = nnx.List([DecoderLayer(features, heads, dropout, rngs=rngs) for _ in range(layers)])
        self.decoder_norm = nnx.LayerNorm(features, epsilon=1e-5, rngs=rngs)
        self.head = nnx.Linear(features, vocabulary, rngs=rngs)

    def encode(self, source: jax.Array) -> jax.Array:
        x = self.scale * self.source_embedding(source) + self.source_positions[: source.shape[1]]
        x = self.dropout(x)
        for layer in self.encoder:
            x = layer(x)
        memory: jax.Array = self.encoder_norm(x)
        return memory

    def decode(self, target: jax.Array, memory: jax.Array) -> jax.Array:
        x = self.scale * self.target_embedding(target) + self.target_positions(jnp.arange(target.shape[1]))
        x = self.dropout(x)
        mask = nnx.make_causal_mask(target)
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.head(self.decoder_norm(x))

    def __call__(self, source: jax.Array, target: jax.Array) -> jax.Array:
        return self.decode(target, self.encode(source))


def build() -> nnx.Module:
    return Transformer(rngs=nnx.Rngs(0))
