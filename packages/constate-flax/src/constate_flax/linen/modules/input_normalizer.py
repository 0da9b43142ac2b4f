"""Standardises inputs with statistics fitted chunk by chunk (Chan et al. 1979, pairwise rule)."""

import jax
import jax.numpy as jnp
from flax import linen as nn


class InputNormalizer(nn.Module):
    """``(x - mean) / sqrt(variance + epsilon)`` for ``x`` float ``[batch, features]``.

    State: ``mean`` and ``variance`` float32 ``[features]`` of the ``count`` int32 ``[]`` rows seen so far; a pass in
    training mode merges its rows into them first.
    """

    features: int
    epsilon: float = 1e-6

    def setup(self) -> None:
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, (self.features,))
        self.variance = self.variable("batch_stats", "variance", jnp.ones, (self.features,))
        self.count = self.variable("batch_stats", "count", jnp.zeros, (), jnp.int32)

    def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
        mean, variance = self.mean.value, self.variance.value
        inputs = x.astype(mean.dtype)
        if training:
            share = len(x) / (self.count.value + len(x)).astype(mean.dtype)
            delta = inputs.mean(0) - mean
            spread = inputs.var(0) - variance
            variance = variance + share * spread + share * (1 - share) * delta**2
            mean = mean + share * delta
            if not self.is_initializing():
                self.mean.value, self.variance.value = mean, variance
                self.count.value = self.count.value + len(x)
        return ((inputs - mean) * jax.lax.rsqrt(variance + self.epsilon)).astype(x.dtype)
