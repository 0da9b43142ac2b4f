"""Layers whose names say nothing and that come in another order in each framework."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


class Nameless(layers.Layer):
    """Series ``[batch, 5, 8]``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.query, self.key, self.value = (layers.Dense(8) for _ in range(3))
        self.x = layers.Dense(8, activation="sigmoid")
        self.y = layers.Dense(8, activation="tanh")
        self.z = layers.Dense(8)

    def call(self, x: Any) -> Any:
        x = self.y(x)
        query, key, value = (ops.reshape(layer(x), (-1, 5, 4, 2)) for layer in (self.query, self.key, self.value))
        looks = ops.softmax(ops.einsum("bqhd,bkhd->bhqk", query, key))
        x = x + ops.reshape(ops.einsum("bhqk,bkhd->bqhd", looks, value), (-1, 5, 8))
        return self.x(ops.tanh(x)) * self.z(x)


def build() -> keras.Model:
    series = keras.Input((5, 8))
    return keras.Model(series, Nameless()(series), name="nameless")
