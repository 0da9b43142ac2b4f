"""ResNet-18 for colour images (He et al. 2015, https://arxiv.org/abs/1512.03385)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def normalized(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def block(x: Any, filters: int, stride: int, name: str) -> Any:
    """Two 3x3 convolutions and the way around them."""
    shortcut = x
    if stride != 1:
        shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False, name=f"{name}_0_conv")(x)
        shortcut = normalized(shortcut, f"{name}_0_bn")
    x = layers.ZeroPadding2D(1, name=f"{name}_1_pad")(x)
    x = layers.Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}_1_conv")(x)
    x = layers.ReLU(name=f"{name}_1_relu")(normalized(x, f"{name}_1_bn"))
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(x)
    x = normalized(x, f"{name}_2_bn")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_out")(x)


def resnet18(shape: tuple[int, int, int], width: int = 64, classes: int = 1000) -> keras.Model:
    """Logits ``[batch, classes]`` of images ``[batch, height, width, 3]``."""
    inputs = keras.Input(shape)
    x = layers.ZeroPadding2D(3, name="conv1_pad")(inputs)
    x = layers.Conv2D(width, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = layers.ReLU(name="conv1_relu")(normalized(x, "conv1_bn"))
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stage in range(4):
        filters = width * 2**stage
        x = block(x, filters, 1 if stage == 0 else 2, f"conv{stage + 2}_block1")
        x = block(x, filters, 1, f"conv{stage + 2}_block2")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    outputs = layers.Dense(classes, name="predictions")(x)
    return keras.Model(inputs, outputs, name="resnet18")


def build() -> keras.Model:
    return resnet18((32, 32, 3), width=8, classes=10)


def full() -> keras.Model:
    return resnet18((224, 224, 3))
