"""LeNet for grey digits (LeCun et al. 1998, https://doi.org/10.1109/5.726791), with today's activations."""

from __future__ import annotations

import jax
from flax import linen as nn


class LeNet(nn.Module):
    """Logits ``[batch, 10]`` of images ``[batch, 28, 28, 1]``."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = nn.relu(nn.Conv(features=6, kernel_size=(5, 5), padding="VALID")(x))
        x = nn.max_pool(x, window_shape=(2, 2), strides=(2, 2))
        x = nn.relu(nn.Conv(features=16, kernel_size=(5, 5), padding="VALID")(x))
        x = nn.max_pool(x, window_shape=(2, 2), strides=(2, 2))
        x = x.reshape((x.shape[0], -1))
        x = nn.relu(nn.Dense(features=120)(x))
        return nn.Dense(features=10)(x)


def build() -> nn.Module:
    return LeNet()
