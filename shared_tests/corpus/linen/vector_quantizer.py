"""A codebook that training moves without a gradient, initialised by the first batch under a flag: all of it is in a
collection from ``init`` on, so that it is saved, and no optimizer sees it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,4]"]


class Quantizer(nn.Module):
    """Replaces rows of ``x`` by the nearest code; codes follow the data by moving averages (van den Oord 2017)."""

    codes: int = 4
    decay: float = 0.9

    @nn.compact
    def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
        x = nn.Dense(x.shape[-1])(x)
        shape = (self.codes, x.shape[-1])
        code = self.variable("vq", "codebook", lambda: jax.random.normal(self.make_rng("params"), shape))
        ready = self.variable("vq", "ready", jnp.zeros, (), bool)
        fixed = jax.lax.stop_gradient(x)
        book = code.value
        if training:
            book = jnp.where(ready.value, book, fixed[: self.codes].astype(book.dtype))
        nearest = ((fixed[:, None] - book) ** 2).sum(-1).argmin(1)
        if training and not self.is_initializing():
            chosen = jax.nn.one_hot(nearest, self.codes, dtype=book.dtype)
            mean = chosen.T @ fixed / jnp.maximum(chosen.sum(0)[:, None], 1)
            moved = self.decay * book + (1 - self.decay) * mean
            code.value = jnp.where(chosen.any(0)[:, None], moved, book)
            ready.value = jnp.ones((), bool)
        quantized = x + jax.lax.stop_gradient(book[nearest] - x)
        return nn.Dense(3)(quantized)


def build() -> nn.Module:
    return Quantizer()
