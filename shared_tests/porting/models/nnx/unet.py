"""A U-Net of three levels (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597), padded and normalised."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

batch_norm = partial(nnx.BatchNorm, momentum=0.99, epsilon=1e-3)
group_norm = partial(nnx.GroupNorm, num_groups=4, epsilon=1e-5)


class UNet(nnx.Module):
    """Logits ``[batch, height, width, classes]`` of images ``[batch, height, width, 3]``, sizes divisible by 4."""

    def __init__(self, width: int = 8, classes: int = 2, *, rngs: nnx.Rngs) -> None:
        def double_conv(inward: int, outward: int, norm: Callable[..., nnx.Module] = batch_norm) -> nnx.Sequential:
            return nnx.Sequential(
                nnx.Conv(inward, outward, (3, 3), use_bias=False, rngs=rngs),
                norm(outward, rngs=rngs),
                nnx.relu,
                nnx.Conv(outward, outward, (3, 3), use_bias=False, rngs=rngs),
                norm(outward, rngs=rngs),
                nnx.relu,
            )

        self.enc1 = double_conv(3, width)
        self.enc2 = double_conv(width, 2 * width)
        self.bridge = double_conv(2 * width, 4 * width, group_norm)
        self.up2 = nnx.ConvTranspose(4 * width, 2 * width, (2, 2), strides=(2, 2), rngs=rngs)
        self.dec2 = double_conv(4 * width, 2 * width)
        self.up1 = nnx.Conv(2 * width, width, (3, 3), rngs=rngs)
        self.dec1 = double_conv(2 * width, width)
        self.head = nnx.Conv(width, classes, (1, 1), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        pool = partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2))
        skip1 = self.enc1(x)
        skip2 = self.enc2(pool(skip1))
        x = self.up2(self.bridge(pool(skip2)))
        x = self.dec2(jnp.concatenate([skip2, x], axis=-1))
        x = jax.image.resize(x, (*skip1.shape[:-1], x.shape[-1]), method="bilinear")
        x = self.dec1(jnp.concatenate([skip1, self.up1(x)], axis=-1))
        return self.head(x)


def build() -> nnx.Module:
    return UNet(rngs=nnx.Rngs(0))
