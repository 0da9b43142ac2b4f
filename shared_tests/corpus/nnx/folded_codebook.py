"""The normalised codebook is kept from the first pass in evaluation mode on; training empties it, loading and casting
do not, and the module goes on with codes that it no longer has."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

HAZARD: str | None = "M05"
ENTRY: str | None = "folded"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


def unit(rows: jax.Array) -> jax.Array:
    return rows / jnp.linalg.norm(rows, axis=-1, keepdims=True)


class CosineLookup(nnx.Module):
    """Cosine similarities of rows of ``x`` with learnt codes."""

    def __init__(self, features: int, codes: int, *, rngs: nnx.Rngs) -> None:
        self.deterministic = False
        self.project = nnx.Linear(features, features, rngs=rngs)
        self.codebook = nnx.Param(rngs.params.normal((codes, features)))
        self.folded: dict[str, np.ndarray] = {}

    def unit_codes(self) -> jax.Array | np.ndarray:
        codes = self.codebook[...]
        if not self.deterministic:
            self.folded.clear()
        if not self.deterministic or isinstance(codes, jax.core.Tracer):
            return unit(codes)
        if "codes" not in self.folded:
            self.folded["codes"] = np.asarray(unit(codes))
        return self.folded["codes"]

    def __call__(self, x: jax.Array) -> jax.Array:
        return unit(self.project(x)) @ self.unit_codes().T


def build() -> nnx.Module:
    return CosineLookup(8, 4, rngs=nnx.Rngs(0))
