"""ResNet-50 (He et al. 2015, https://arxiv.org/abs/1512.03385), with the biases and the constants of Keras."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


class BottleneckBlock(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution, of which the first strides, and the way around them."""

    filters: int
    norm: Any
    strides: tuple[int, int] = (1, 1)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        residual = x
        y = nn.Conv(self.filters, (1, 1), self.strides)(x)
        y = nn.relu(self.norm()(y))
        y = nn.Conv(self.filters, (3, 3))(y)
        y = nn.relu(self.norm()(y))
        y = nn.Conv(4 * self.filters, (1, 1))(y)
        y = self.norm()(y)
        if residual.shape != y.shape:
            residual = nn.Conv(4 * self.filters, (1, 1), self.strides, name="conv_proj")(residual)
            residual = self.norm(name="norm_proj")(residual)
        return nn.relu(residual + y)


class ResNet50(nn.Module):
    """Logits ``[batch, classes]`` of images ``[batch, height, width, 3]``."""

    classes: int = 1000

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.99, epsilon=1.001e-5)
        x = nn.Conv(64, (7, 7), (2, 2), padding=3, name="conv_init")(x)
        x = nn.relu(norm(name="bn_init")(x))
        x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for stage, blocks in enumerate((3, 4, 6, 3)):
            for block in range(blocks):
                strides = (2, 2) if stage > 0 and block == 0 else (1, 1)
                x = BottleneckBlock(64 * 2**stage, norm, strides)(x)
        x = jnp.mean(x, axis=(1, 2))
        return nn.Dense(self.classes, name="head")(x)


def build() -> nn.Module:
    return ResNet50(classes=10)


def full() -> nn.Module:
    return ResNet50()
