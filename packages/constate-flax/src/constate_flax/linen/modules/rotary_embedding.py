"""Rotary position embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864)."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from constate_flax.linen.state import DERIVED


class RotaryEmbedding(nn.Module):
    """Turns the pairs ``(x[..., i], x[..., i + features / 2])`` by ``positions * inv_freq[i]``.

    ``x`` is float ``[batch, length, features]``, ``positions`` int ``[length]``.

    State: ``inv_freq`` float32 ``[features / 2]``, derived from ``base`` and not saved. The angles need its float32
    precision whatever the type of ``x``.
    """

    features: int
    base: float = 10000.0

    def setup(self) -> None:
        self.inv_freq = self.variable(DERIVED, "inv_freq", self._frequencies)

    def _frequencies(self) -> jax.Array:
        exponents = np.arange(0, self.features, 2) / self.features
        return jnp.asarray(self.base**-exponents, jnp.float32)

    def __call__(self, x: jax.Array, positions: jax.Array) -> jax.Array:
        angles = positions[:, None].astype(jnp.float32) * self.inv_freq.value
        cos, sin = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
        first, second = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
