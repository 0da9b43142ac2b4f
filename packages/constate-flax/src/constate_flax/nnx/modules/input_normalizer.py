"""Standardises inputs with statistics fitted chunk by chunk (Chan et al. 1979, pairwise rule)."""

import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from constate_flax.nnx.state import Counter


class InputNormalizer(nnx.Module):
    """``(x - mean) / sqrt(variance + epsilon)`` for ``x`` float ``[batch, features]``.

    State: ``mean`` and ``variance`` float32 ``[features]`` of the ``count`` int32 ``[]`` rows seen so far; a pass in
    training mode merges its rows into them first.
    """

    def __init__(self, features: int, epsilon: float = 1e-6) -> None:
        self.epsilon = epsilon
        self.use_running_average = False
        self.mean = nnx.BatchStat(jnp.zeros(features))
        self.variance = nnx.BatchStat(jnp.ones(features))
        self.count = Counter(jnp.zeros((), jnp.int32))

    def __call__(self, x: Array) -> Array:
        mean, variance = self.mean[...], self.variance[...]
        inputs = x.astype(mean.dtype)
        if not self.use_running_average:
            share = len(x) / (self.count[...] + len(x)).astype(mean.dtype)
            delta = inputs.mean(0) - mean
            spread = inputs.var(0) - variance
            variance = variance + share * spread + share * (1 - share) * delta**2
            mean = mean + share * delta
            self.mean[...] = mean
            self.variance[...] = variance
            self.count[...] += len(x)
        return ((inputs - mean) * lax.rsqrt(variance + self.epsilon)).astype(x.dtype)
