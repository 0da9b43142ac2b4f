"""A U-Net of three levels (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597), padded and normalised."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def double_conv(x: Any, filters: int, groups: int | None = None) -> Any:
    """Twice: convolution, normalisation, ReLU."""
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        norm = layers.GroupNormalization(groups, epsilon=1e-5) if groups else layers.BatchNormalization()
        x = layers.Activation("relu")(norm(x))
    return x


def unet(width: int = 8, classes: int = 2) -> keras.Model:
    """Logits ``[batch, height, width, classes]`` of images ``[batch, height, width, 3]``, sizes divisible by 4."""
    inputs = keras.Input((None, None, 3))
    fine = double_conv(inputs, width)
    middle = double_conv(layers.MaxPooling2D(2)(fine), 2 * width)
    x = double_conv(layers.MaxPooling2D(2)(middle), 4 * width, groups=4)
    x = layers.Conv2DTranspose(2 * width, 2, strides=2, padding="same")(x)
    x = double_conv(layers.Concatenate()([middle, x]), 2 * width)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Conv2D(width, 3, padding="same")(x)
    x = double_conv(layers.Concatenate()([fine, x]), width)
    outputs = layers.Conv2D(classes, 1)(x)
    return keras.Model(inputs, outputs, name="unet")


def build() -> keras.Model:
    return unet()
