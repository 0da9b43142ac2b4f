"""MobileNetV2 (Sandler et al. 2018, https://arxiv.org/abs/1801.04381), with the constants of Keras."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""For each stage: expansion, channels, blocks, stride of the first block."""


def make_divisible(value: float, divisor: int = 8) -> int:
    """The nearest multiple, at least 90 % of the value."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class ConvNorm(nnx.Module):
    """A convolution and its batch normalisation."""

    def __init__(
        self, inward: int, outward: int, size: int = 1, stride: int = 1, groups: int = 1, *, rngs: nnx.Rngs
    ) -> None:
        self.conv = nnx.Conv(
            inward,
            outward,
            (size, size),
            strides=stride,
            padding="SAME",
            feature_group_count=groups,
            use_bias=False,
            rngs=rngs,
        )
        self.norm = nnx.BatchNorm(outward, momentum=0.999, epsilon=1e-3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.norm(self.conv(x))
        return x


class InvertedResidual(nnx.Module):
    """Expand, filter each channel, project."""

    def __init__(self, inward: int, outward: int, stride: int, expansion: int, *, rngs: nnx.Rngs) -> None:
        hidden = inward * expansion
        self.expand = ConvNorm(inward, hidden, rngs=rngs) if expansion != 1 else None
        self.depthwise = ConvNorm(hidden, hidden, 3, stride, groups=hidden, rngs=rngs)
        self.project = ConvNorm(hidden, outward, rngs=rngs)
        self.residual = stride == 1 and inward == outward

    def __call__(self, x: jax.Array) -> jax.Array:
        y = x if self.expand is None else nnx.relu6(self.expand(x))
        y = self.project(nnx.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class MobileNetV2(nnx.Module):
    """Logits ``[batch, classes]`` of images ``[batch, height, width, 3]``."""

    def __init__(self, alpha: float = 1.0, classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        inward = make_divisible(32 * alpha)
        self.stem = ConvNorm(3, inward, 3, 2, rngs=rngs)
        self.blocks: nnx.List[InvertedResidual] = nnx.List([])
        for expansion, channels, blocks, first in STAGES:
            outward = make_divisible(int(channels * alpha))
            for block in range(blocks):
                stride = first if block == 0 else 1
                self.blocks.append(InvertedResidual(inward, outward, stride, expansion, rngs=rngs))
                inward = outward
        last = make_divisible(1280 * max(1.0, alpha))
        self.last = ConvNorm(inward, last, rngs=rngs)
        self.classifier = nnx.Linear(last, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu6(self.stem(x))
        for block in self.blocks:
            x = block(x)
        x = nnx.relu6(self.last(x))
        return self.classifier(jnp.mean(x, axis=(1, 2)))


def build() -> nnx.Module:
    return MobileNetV2(alpha=0.35, classes=10, rngs=nnx.Rngs(0))


def full() -> nnx.Module:
    return MobileNetV2(rngs=nnx.Rngs(0))
