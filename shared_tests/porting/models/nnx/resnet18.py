"""ResNet-18 for colour images (He et al. 2015, https://arxiv.org/abs/1512.03385)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class ConvNorm(nnx.Module):
    """A convolution, padded alike on both sides, and its batch normalisation."""

    def __init__(self, inward: int, outward: int, size: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(
            inward, outward, (size, size), strides=stride, padding=size // 2, use_bias=False, rngs=rngs
        )
        self.norm = nnx.BatchNorm(outward, momentum=0.9, epsilon=1e-5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.norm(self.conv(x))
        return x


class Block(nnx.Module):
    """Two 3x3 convolutions and the way around them."""

    def __init__(self, inward: int, outward: int, stride: int = 1, *, rngs: nnx.Rngs) -> None:
        self.first = ConvNorm(inward, outward, 3, stride, rngs=rngs)
        self.second = ConvNorm(outward, outward, 3, rngs=rngs)
        self.shortcut = (
            ConvNorm(inward, outward, 1, stride, rngs=rngs) if stride != 1 or inward != outward else nnx.identity
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.second(nnx.relu(self.first(x)))
        return nnx.relu(y + self.shortcut(x))


class ResNet18(nnx.Module):
    """Logits ``[batch, classes]`` of images ``[batch, height, width, 3]``."""

    def __init__(self, width: int = 64, classes: int = 1000, *, rngs: nnx.Rngs) -> None:
        self.stem = ConvNorm(3, width, 7, 2, rngs=rngs)
        self.blocks: nnx.List[Block] = nnx.List([])
        inward = width
        for stage in range(4):
            outward = width * 2**stage
            self.blocks.append(Block(inward, outward, 1 if stage == 0 else 2, rngs=rngs))
            self.blocks.append(Block(outward, outward, rngs=rngs))
            inward = outward
        self.head = nnx.Linear(inward, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.stem(x))
        x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for block in self.blocks:
            x = block(x)
        return self.head(jnp.mean(x, axis=(1, 2)))


def build() -> nnx.Module:
    return ResNet18(width=8, classes=10, rngs=nnx.Rngs(0))


def full() -> nnx.Module:
    return ResNet18(rngs=nnx.Rngs(0))
