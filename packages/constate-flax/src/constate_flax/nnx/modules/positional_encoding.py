"""Sinusoidal positional encoding (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from constate_flax.nnx.state import Constant


class PositionalEncoding(nnx.Module):
    """Adds a fixed table to ``x`` float ``[batch, length, features]``, ``length <= max_length``.

    State: ``table`` float32 ``[max_length, features]``, a constant.
    """

    def __init__(self, max_length: int, features: int) -> None:
        positions = np.arange(max_length)
        exponents = np.arange(0, features, 2) / features
        angles = positions[:, None] / 10000**exponents
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(max_length, features)
        self.table = Constant(jnp.asarray(table, jnp.float32))

    def __call__(self, x: Array) -> Array:
        return x + self.table[: x.shape[1]]
