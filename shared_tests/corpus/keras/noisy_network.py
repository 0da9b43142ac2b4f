"""Dropout and noise make each training pass another one, and count their draws in seed variables: inference is
exact, and nothing is lost."""

import keras

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


def build() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.GaussianNoise(0.3),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(4),
        ]
    )
