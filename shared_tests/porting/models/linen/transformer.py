"""A small encoder and decoder for translation (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762), normalised first
(Xiong et al. 2020, https://arxiv.org/abs/2002.04745)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn


def sinusoid(length: int, features: int) -> jax.Array:
    """``[1, length, features]``: a sine and a cosine in turn."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, features, 2) / features)
    table = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return jnp.asarray(table.reshape(1, length, features), jnp.float32)


class MlpBlock(nn.Module):
    """Two dense layers at every place."""

    mlp_dim: int
    dropout_rate: float

    @nn.compact
    def __call__(self, x: jax.Array, deterministic: bool) -> jax.Array:
        y = nn.gelu(nn.Dense(self.mlp_dim)(x), approximate=False)
        y = nn.Dropout(self.dropout_rate)(y, deterministic=deterministic)
        return nn.Dense(x.shape[-1])(y)


class EncoderBlock(nn.Module):
    """Self-attention and a perceptron, each on normalised inputs."""

    num_heads: int
    dropout_rate: float

    @nn.compact
    def __call__(self, x: jax.Array, deterministic: bool) -> jax.Array:
        y = nn.LayerNorm(epsilon=1e-5)(x)
        y = nn.MultiHeadDotProductAttention(self.num_heads, dropout_rate=self.dropout_rate)(
            y, deterministic=deterministic
        )
        x = x + nn.Dropout(self.dropout_rate)(y, deterministic=deterministic)
        y = nn.LayerNorm(epsilon=1e-5)(x)
        y = MlpBlock(4 * x.shape[-1], self.dropout_rate)(y, deterministic)
        x = x + nn.Dropout(self.dropout_rate)(y, deterministic=deterministic)
        return x


class DecoderBlock(nn.Module):
    """Causal self-attention, attention to what was encoded, and a perceptron, each on normalised inputs."""

    num_heads: int
    dropout_rate: float

    @nn.compact
    def __call__(self, x: jax.Array, encoded: jax.Array, mask: jax.Array, deterministic: bool) -> jax.Array:
        y = nn.LayerNorm(epsilon=1e-5)(x)
        y = nn.MultiHeadDotProductAttention(self.num_heads, dropout_rate=self.dropout_rate, name="self_attention")(
            y, mask=mask, deterministic=deterministic
        )
        x = x + nn.Dropout(self.dropout_rate)(y, deterministic=deterministic)
        y = nn.LayerNorm(epsilon=1e-5)(x)
        y = nn.MultiHeadDotProductAttention(self.num_heads, dropout_rate=self.dropout_rate, name="cross_attention")(
            y, encoded, deterministic=deterministic
        )
        x = x + nn.Dropout(self.dropout_rate)(y, deterministic=deterministic)
        y = nn.LayerNorm(epsilon=1e-5)(x)
        y = MlpBlock(4 * x.shape[-1], self.dropout_rate)(y, deterministic)
        x = x + nn.Dropout(self.dropout_rate)(y, deterministic=deterministic)
        return x


class Transformer(nn.Module):
    """Logits ``[batch, target length, vocabulary]`` of the next token, from token numbers of a source and a target."""

    vocab_size: int = 50
    emb_dim: int = 32
    num_heads: int = 4
    num_layers: int = 2
    max_len: int = 16
    dropout_rate: float = 0.1

    @nn.compact
    def __call__(self, inputs: jax.Array, targets: jax.Array, train: bool = False) -> jax.Array:
        scale = self.emb_dim**0.5
        x = scale * nn.Embed(self.vocab_size, self.emb_dim, name="input_embed")(inputs)
        x = x + sinusoid(inputs.shape[1], self.emb_dim)
        x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
        for layer in range(self.num_layers):
            x = EncoderBlock(self.num_heads, self.dropout_rate, name=f"encoderblock_{layer}")(x, not train)
        encoded = nn.LayerNorm(epsilon=1e-5, name="encoder_norm")(x)

        positions = self.param("target_positions", nn.initializers.normal(0.02), (1, self.max_len, self.emb_dim))
        y = scale * nn.Embed(self.vocab_size, self.emb_dim, name="target_embed")(targets)
        y = y + positions[:, : targets.shape[1]]
        y = nn.Dropout(self.dropout_rate)(y, deterministic=not train)
        mask = nn.make_causal_mask(targets)
        for layer in range(self.num_layers):
            y = DecoderBlock(self.num_heads, self.dropout_rate, name=f"decoderblock_{layer}")(
                y, encoded, mask, not train
            )
        y = nn.LayerNorm(epsilon=1e-5, name="decoder_norm")(y)
        return nn.Dense(self.vocab_size, name="logits")(y)


def build() -> nn.Module:
    return Transformer()
