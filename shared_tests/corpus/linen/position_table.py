"""A table of sinusoids of 4 KiB, constant and float: it is a variable of its own collection, is saved and cast like
all, and rounding it to bfloat16 costs no more than bfloat16 costs anyway."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,20,16]"]


class Positions(nn.Module):
    """Adds sinusoids to ``x`` ``[batch, length, features]`` and mixes."""

    features: int = 16
    max_length: int = 64

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def sinusoids() -> jax.Array:
            angles = np.arange(self.max_length)[:, None] / 10000 ** (np.arange(0, self.features, 2) / self.features)
            return jnp.asarray(np.concatenate([np.sin(angles), np.cos(angles)], axis=-1), jnp.float32)

        table = self.variable("constants", "table", sinusoids)
        return nn.Dense(self.features)(x + table.value[: x.shape[1]])


def build() -> nn.Module:
    return Positions()
