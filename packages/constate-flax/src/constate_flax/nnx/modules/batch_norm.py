"""Batch normalisation (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167)."""

import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from constate_flax.nnx.state import Counter


class BatchNorm(nnx.Module):
    """Normalises ``x`` float ``[batch, features]``, by the batch in training mode and by the running statistics else.

    State: ``scale`` and ``bias`` float32 ``[features]``, trained; ``mean`` and ``variance`` float32 ``[features]`` and
    ``count`` int32 ``[]``, moved by the forward pass in training mode.
    """

    def __init__(self, features: int, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        self.momentum = momentum
        self.epsilon = epsilon
        self.use_running_average = False
        self.scale = nnx.Param(jnp.ones(features))
        self.bias = nnx.Param(jnp.zeros(features))
        self.mean = nnx.BatchStat(jnp.zeros(features))
        self.variance = nnx.BatchStat(jnp.ones(features))
        self.count = Counter(jnp.zeros((), jnp.int32))

    def __call__(self, x: Array) -> Array:
        mean, variance = self.mean[...], self.variance[...]
        inputs = x.astype(mean.dtype)
        if not self.use_running_average:
            mean, variance = inputs.mean(0), inputs.var(0)
            unbiased = variance * len(x) / (len(x) - 1)
            self.mean[...] += self.momentum * (mean - self.mean[...])
            self.variance[...] += self.momentum * (unbiased - self.variance[...])
            self.count[...] += 1
        normal = (inputs - mean) * lax.rsqrt(variance + self.epsilon)
        return (normal * self.scale[...] + self.bias[...]).astype(x.dtype)
