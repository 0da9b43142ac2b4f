"""Sinusoidal positional encoding (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from constate_flax.linen.state import CONSTANTS


class PositionalEncoding(nn.Module):
    """Adds a fixed table to ``x`` float ``[batch, length, features]``, ``length <= max_length``.

    State: ``table`` float32 ``[max_length, features]``, a constant.
    """

    max_length: int
    features: int

    def setup(self) -> None:
        self.table = self.variable(CONSTANTS, "table", self._sinusoids)

    def _sinusoids(self) -> jax.Array:
        angles = np.arange(self.max_length)[:, None] / 10000 ** (np.arange(0, self.features, 2) / self.features)
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(self.max_length, self.features)
        return jnp.asarray(table, jnp.float32)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x + self.table.value[: x.shape[1]]
