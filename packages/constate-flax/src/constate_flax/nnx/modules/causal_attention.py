"""Causal self-attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from constate_flax.nnx.state import Derived


class Projection(nnx.Module):
    """``x @ kernel`` with ``kernel`` float32 ``[in_features, out_features]``, trained."""

    def __init__(self, in_features: int, out_features: int, *, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(nnx.initializers.xavier_uniform()(rngs.params(), (in_features, out_features)))

    def __call__(self, x: Array) -> Array:
        return x @ self.kernel[...]


class CausalAttention(nnx.Module):
    """Self-attention of ``x`` float ``[batch, length, features]`` in which position ``i`` sees ``0..i``.

    State: ``mask`` bool ``[max_length, max_length]``, derived from ``max_length`` and not saved; four trained
    projections.
    """

    def __init__(self, features: int, heads: int, max_length: int, *, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.query = Projection(features, features, rngs=rngs)
        self.key = Projection(features, features, rngs=rngs)
        self.value = Projection(features, features, rngs=rngs)
        self.output = Projection(features, features, rngs=rngs)
        self.mask = Derived(jnp.tril(jnp.ones((max_length, max_length), jnp.bool)))

    def __call__(self, x: Array) -> Array:
        batch, length, features = x.shape
        query, key, value = (
            project(x).reshape(batch, length, self.heads, features // self.heads).swapaxes(1, 2)
            for project in (self.query, self.key, self.value)
        )
        scores = query @ key.mT * query.shape[-1] ** -0.5
        scores = jnp.where(self.mask[:length, :length], scores, -jnp.inf)
        joined = (jax.nn.softmax(scores) @ value).swapaxes(1, 2).reshape(x.shape)
        return self.output(joined)
