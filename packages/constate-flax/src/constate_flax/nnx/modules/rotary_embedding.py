"""Rotary position embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864)."""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from constate_flax.nnx.state import Derived


class RotaryEmbedding(nnx.Module):
    """Turns the pairs ``(x[..., i], x[..., i + features / 2])`` by ``positions * inv_freq[i]``.

    ``x`` is float ``[batch, length, features]``, ``positions`` int ``[length]``.

    State: ``inv_freq`` float32 ``[features / 2]``, derived from ``base`` and not saved. The angles need its float32
    precision whatever the type of ``x``.
    """

    def __init__(self, features: int, base: float = 10000.0) -> None:
        exponents = np.arange(0, features, 2) / features
        self.inv_freq = Derived(jnp.asarray(base**-exponents, jnp.float32))

    def __call__(self, x: Array, positions: Array) -> Array:
        angles = positions[:, None].astype(jnp.float32) * self.inv_freq[...]
        cos, sin = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
        first, second = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
