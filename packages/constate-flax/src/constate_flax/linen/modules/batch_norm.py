"""Batch normalisation (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167)."""

import jax
import jax.numpy as jnp
from flax import linen as nn


class BatchNorm(nn.Module):
    """Normalises ``x`` float ``[batch, features]``, by the batch in training mode and by the running statistics else.

    State: ``scale`` and ``bias`` float32 ``[features]``, trained; ``mean`` and ``variance`` float32 ``[features]`` and
    ``count`` int32 ``[]``, moved by the forward pass in training mode.
    """

    features: int
    momentum: float = 0.1
    epsilon: float = 1e-5

    def setup(self) -> None:
        self.scale = self.param("scale", nn.initializers.ones, (self.features,))
        self.bias = self.param("bias", nn.initializers.zeros, (self.features,))
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, (self.features,))
        self.variance = self.variable("batch_stats", "variance", jnp.ones, (self.features,))
        self.count = self.variable("batch_stats", "count", jnp.zeros, (), jnp.int32)

    def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
        mean, variance = self.mean.value, self.variance.value
        inputs = x.astype(mean.dtype)
        if training:
            mean, variance = inputs.mean(0), inputs.var(0)
            if not self.is_initializing():
                unbiased = variance * len(x) / (len(x) - 1)
                self.mean.value = self.mean.value + self.momentum * (mean - self.mean.value)
                self.variance.value = self.variance.value + self.momentum * (unbiased - self.variance.value)
                self.count.value = self.count.value + 1
        normal = (inputs - mean) * jax.lax.rsqrt(variance + self.epsilon)
        return (normal * self.scale + self.bias).astype(x.dtype)
