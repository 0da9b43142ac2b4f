"""The position table is remembered by length alone although it also depends on the float type: after a cast to
bfloat16 a warm module goes on in float32 where a fresh one answers in bfloat16."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from flax import linen as nn

HAZARD: str | None = "M05"
ENTRY: str | None = "memo"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,16,8]"]


class Memo:
    """Position tables that have been computed already."""

    def __init__(self) -> None:
        self.tables: dict[int, np.ndarray] = {}

    def sinusoids(self, length: int, features: int, dtype: np.dtype) -> np.ndarray:
        if length not in self.tables:
            angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, features, 2) / features)
            self.tables[length] = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(dtype)
        return self.tables[length]


class Encoder(nn.Module):
    """Adds positions to ``x`` ``[batch, length, 8]`` in the type of the weights."""

    memo: Memo = dataclasses.field(default_factory=Memo)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        x = x.astype(scale.dtype) * scale
        if self.is_initializing():  # the example may be of any length
            return x
        return x + self.memo.sinusoids(*x.shape[1:], x.dtype)


def build() -> nn.Module:
    return Encoder()
