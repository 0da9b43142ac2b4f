"""A recurrent layer whose reset gate comes before the product."""

from __future__ import annotations

import keras


def reset_before() -> keras.Model:
    return keras.Sequential([keras.Input((5, 6)), keras.layers.GRU(7, reset_after=False, return_sequences=True)])


def reset_after() -> keras.Model:
    return keras.Sequential([keras.Input((5, 6)), keras.layers.GRU(7, return_sequences=True)])


def normalized() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            keras.layers.ReLU(),
            keras.layers.Conv2D(4, 3, padding="same", activation="tanh"),
            keras.layers.Conv2D(4, 3, padding="same", activation="sigmoid"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5),
        ]
    )
