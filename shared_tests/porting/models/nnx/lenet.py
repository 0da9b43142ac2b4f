"""LeNet for grey digits (LeCun et al. 1998, https://doi.org/10.1109/5.726791), with today's activations."""

from __future__ import annotations

from functools import partial

import jax
from flax import nnx


class LeNet(nnx.Module):
    """Logits ``[batch, 10]`` of images ``[batch, 28, 28, 1]``."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(1, 6, kernel_size=(5, 5), padding="VALID", rngs=rngs)
        self.conv2 = nnx.Conv(6, 16, kernel_size=(5, 5), padding="VALID", rngs=rngs)
        self.max_pool = partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2))
        self.linear1 = nnx.Linear(256, 120, rngs=rngs)
        self.linear2 = nnx.Linear(120, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.max_pool(nnx.relu(self.conv1(x)))
        x = self.max_pool(nnx.relu(self.conv2(x)))
        x = x.reshape(x.shape[0], -1)
        return self.linear2(nnx.relu(self.linear1(x)))


def build() -> nnx.Module:
    return LeNet(rngs=nnx.Rngs(0))
