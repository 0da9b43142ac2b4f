"""A U-Net of three levels (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597), padded and normalised."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn


class DoubleConv(nn.Module):
    """Twice: convolution, normalisation, ReLU."""

    features: int
    groups: int | None = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for _ in range(2):
            x = nn.Conv(self.features, (3, 3), use_bias=False)(x)
            if self.groups is None:
                x = nn.BatchNorm(use_running_average=not train, momentum=0.99, epsilon=1e-3)(x)
            else:
                x = nn.GroupNorm(num_groups=self.groups, epsilon=1e-5)(x)
            x = nn.relu(x)
        return x


class UNet(nn.Module):
    """Logits ``[batch, height, width, classes]`` of images ``[batch, height, width, 3]``, sizes divisible by 4."""

    width: int = 8
    classes: int = 2

    def setup(self) -> None:
        self.encoder = [DoubleConv(self.width), DoubleConv(2 * self.width)]
        self.bottleneck = DoubleConv(4 * self.width, groups=4)
        self.upconv = nn.ConvTranspose(2 * self.width, (2, 2), strides=(2, 2))
        self.upsampled = nn.Conv(self.width, (3, 3))
        self.decoder = [DoubleConv(2 * self.width), DoubleConv(self.width)]
        self.final = nn.Conv(self.classes, (1, 1))

    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        fine = self.encoder[0](x, train)
        middle = self.encoder[1](nn.max_pool(fine, (2, 2), strides=(2, 2)), train)
        x = self.bottleneck(nn.max_pool(middle, (2, 2), strides=(2, 2)), train)
        x = jnp.concatenate([middle, self.upconv(x)], axis=-1)
        x = self.decoder[0](x, train)
        batch, height, width, channels = x.shape
        x = self.upsampled(jax.image.resize(x, (batch, 2 * height, 2 * width, channels), "bilinear"))
        x = self.decoder[1](jnp.concatenate([fine, x], axis=-1), train)
        return self.final(x)


def build() -> nn.Module:
    return UNet()
