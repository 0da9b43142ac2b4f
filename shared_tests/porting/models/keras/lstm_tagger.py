"""A bidirectional recurrent tagger (Huang et al. 2015, https://arxiv.org/abs/1508.01991)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def tagger(
    recurrent: Any = layers.LSTM,
    vocabulary: int = 50,
    features: int = 16,
    units: int = 24,
    tags: int = 9,
    dropout: float = 0.1,
) -> keras.Model:
    """Logits ``[batch, length, tags]`` of token numbers ``[batch, length]``."""
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int64"),
            layers.Embedding(vocabulary, features),
            layers.Dropout(dropout),
            layers.Bidirectional(recurrent(units, return_sequences=True)),
            layers.Dropout(dropout),
            layers.Bidirectional(recurrent(units, return_sequences=True)),
            layers.Dense(tags),
        ],
        name="tagger",
    )


def build() -> keras.Model:
    return tagger()


def build_gru() -> keras.Model:
    return tagger(layers.GRU)
