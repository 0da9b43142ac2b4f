"""LeNet for grey digits (LeCun et al. 1998, https://doi.org/10.1109/5.726791), with today's activations."""

from __future__ import annotations

import keras
from keras import layers


def build() -> keras.Model:
    """Logits ``[batch, 10]`` of images ``[batch, 28, 28, 1]``."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, kernel_size=5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, kernel_size=5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(10),
        ],
        name="lenet",
    )
