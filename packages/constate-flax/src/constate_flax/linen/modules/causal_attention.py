"""Causal self-attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from constate_flax.linen.state import DERIVED


class Projection(nn.Module):
    """``x @ kernel`` with ``kernel`` float32 ``[in_features, out_features]``, trained."""

    in_features: int
    out_features: int

    def setup(self) -> None:
        self.kernel = self.param("kernel", nn.initializers.xavier_uniform(), (self.in_features, self.out_features))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel


class CausalAttention(nn.Module):
    """Self-attention of ``x`` float ``[batch, length, features]`` in which position ``i`` sees ``0..i``.

    State: ``mask`` bool ``[max_length, max_length]``, derived from ``max_length`` and not saved; four trained
    projections.
    """

    features: int
    heads: int
    max_length: int

    def setup(self) -> None:
        self.query = Projection(self.features, self.features)
        self.key = Projection(self.features, self.features)
        self.value = Projection(self.features, self.features)
        self.output = Projection(self.features, self.features)
        self.mask = self.variable(DERIVED, "mask", lambda: jnp.tri(self.max_length, dtype=bool))

    def __call__(self, x: jax.Array) -> jax.Array:
        batch, length, features = x.shape
        query, key, value = (
            project(x).reshape(batch, length, self.heads, features // self.heads).swapaxes(1, 2)
            for project in (self.query, self.key, self.value)
        )
        scores = query @ key.mT * query.shape[-1] ** -0.5
        scores = jnp.where(self.mask.value[:length, :length], scores, -jnp.inf)
        joined = (jax.nn.softmax(scores) @ value).swapaxes(1, 2).reshape(x.shape)
        return self.output(joined)
