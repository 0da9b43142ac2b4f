"""A small encoder and decoder for translation (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762), normalised first
(Xiong et al. 2020, https://arxiv.org/abs/2002.04745)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops


def sinusoid(length: int, features: int) -> Any:
    """``[length, features]``: a sine and a cosine in turn."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, features, 2) / features)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, features).astype("float32")


class SinusoidalEmbedding(layers.Layer):
    """Tokens, scaled, plus a fixed sinusoid."""

    def __init__(self, length: int, vocabulary: int, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.token_embeddings = layers.Embedding(vocabulary, features)
        self.positions = sinusoid(length, features)
        self.scale = features**0.5

    def call(self, tokens: Any) -> Any:
        return self.token_embeddings(tokens) * self.scale + self.positions[: tokens.shape[1]]


class PositionalEmbedding(layers.Layer):
    """Tokens, scaled, plus a trained vector for every place."""

    def __init__(self, length: int, vocabulary: int, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.token_embeddings = layers.Embedding(vocabulary, features)
        self.position_embeddings = layers.Embedding(length, features)
        self.scale = features**0.5

    def call(self, tokens: Any) -> Any:
        positions = self.position_embeddings(ops.arange(tokens.shape[1]))
        return self.token_embeddings(tokens) * self.scale + positions


class TransformerEncoder(layers.Layer):
    """Self-attention and a perceptron, each on normalised inputs."""

    def __init__(self, features: int, heads: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(heads, features // heads, dropout=dropout)
        self.dense_proj = keras.Sequential(
            [layers.Dense(4 * features, activation="gelu"), layers.Dropout(dropout), layers.Dense(features)]
        )
        self.layernorm_1 = layers.LayerNormalization(epsilon=1e-5)
        self.layernorm_2 = layers.LayerNormalization(epsilon=1e-5)
        self.dropout_1 = layers.Dropout(dropout)
        self.dropout_2 = layers.Dropout(dropout)

    def call(self, x: Any) -> Any:
        normalized = self.layernorm_1(x)
        x = x + self.dropout_1(self.attention(query=normalized, value=normalized))
        return x + self.dropout_2(self.dense_proj(self.layernorm_2(x)))


class TransformerDecoder(layers.Layer):
    """Causal self-attention, attention to what was encoded, and a perceptron, each on normalised inputs."""

    def __init__(self, features: int, heads: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention_1 = layers.MultiHeadAttention(heads, features // heads, dropout=dropout)
        self.attention_2 = layers.MultiHeadAttention(heads, features // heads, dropout=dropout)
        self.dense_proj = keras.Sequential(
            [layers.Dense(4 * features, activation="gelu"), layers.Dropout(dropout), layers.Dense(features)]
        )
        self.layernorm_1 = layers.LayerNormalization(epsilon=1e-5)
        self.layernorm_2 = layers.LayerNormalization(epsilon=1e-5)
        self.layernorm_3 = layers.LayerNormalization(epsilon=1e-5)
        self.dropout_1 = layers.Dropout(dropout)
        self.dropout_2 = layers.Dropout(dropout)
        self.dropout_3 = layers.Dropout(dropout)

    def call(self, x: Any, encoded: Any) -> Any:
        normalized = self.layernorm_1(x)
        x = x + self.dropout_1(self.attention_1(query=normalized, value=normalized, use_causal_mask=True))
        x = x + self.dropout_2(self.attention_2(query=self.layernorm_2(x), value=encoded))
        return x + self.dropout_3(self.dense_proj(self.layernorm_3(x)))


def transformer(
    source_length: int,
    target_length: int,
    vocabulary: int = 50,
    features: int = 32,
    heads: int = 4,
    depth: int = 2,
    length: int = 16,
    dropout: float = 0.1,
) -> keras.Model:
    """Logits ``[batch, target length, vocabulary]`` of the next token, from token numbers of a source and a target."""
    source = keras.Input((source_length,), dtype="int64", name="source")
    target = keras.Input((target_length,), dtype="int64", name="target")
    x = layers.Dropout(dropout)(SinusoidalEmbedding(length, vocabulary, features)(source))
    for _ in range(depth):
        x = TransformerEncoder(features, heads, dropout)(x)
    encoded = layers.LayerNormalization(epsilon=1e-5)(x)
    x = layers.Dropout(dropout)(PositionalEmbedding(length, vocabulary, features)(target))
    for _ in range(depth):
        x = TransformerDecoder(features, heads, dropout)(x, encoded)
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    outputs = layers.Dense(vocabulary, name="logits")(x)
    return keras.Model([source, target], outputs, name="transformer")


def build() -> keras.Model:
    return transformer(7, 6)
