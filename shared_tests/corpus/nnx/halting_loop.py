"""How many steps are made depends on the data, by ``lax.while_loop`` and ``lax.cond``; a small NumPy window is a
literal of 128 bytes in the closure of a cached function. All of it traces."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,32]"]


@functools.lru_cache
def hann(length: int) -> np.ndarray:
    return np.hanning(length).astype(np.float32)


def too_loud(level: jax.Array) -> jax.Array:
    return level > 1


def halved(level: jax.Array) -> jax.Array:
    return level / 2


class Levelled(nnx.Module):
    """Halves ``x`` ``[batch, samples]`` until it is small, windows it, and applies a layer to its spectrum."""

    def __init__(self, samples: int, *, rngs: nnx.Rngs) -> None:
        self.head = nnx.Linear(samples // 2 + 1, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        level = jax.lax.while_loop(too_loud, halved, jnp.abs(x).max())
        x = x.astype(jnp.float32) * jax.lax.stop_gradient(level / jnp.abs(x).max())
        x = jax.lax.cond(x[0, 0] > 0, jnp.positive, jnp.negative, x)
        return self.head(jnp.abs(jnp.fft.rfft(x * hann(x.shape[-1]))))


def build() -> nnx.Module:
    return Levelled(32, rngs=nnx.Rngs(0))
