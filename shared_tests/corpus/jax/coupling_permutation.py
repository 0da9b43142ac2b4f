"""The permutation of a coupling layer is drawn from NumPy and kept as a static field: it is no leaf, so that no
checkpoint has it, and a restored flow shuffles its features another way."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

HAZARD: str | None = "P09"
ENTRY: str | None = "permutation"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,12]"]


class Coupling(eqx.Module):
    """An affine coupling layer (Dinh et al. 2017) after a fixed random permutation of the features."""

    permutation: tuple[int, ...] = eqx.field(static=True)
    inward: eqx.nn.Linear
    outward: eqx.nn.Linear

    def __init__(self, features: int, *, key: jax.Array) -> None:
        self.permutation = tuple(np.random.permutation(features).tolist())
        first, second = jax.random.split(key)
        self.inward = eqx.nn.Linear(features // 2, 16, key=first)
        self.outward = eqx.nn.Linear(16, features, key=second)

    def __call__(self, x: jax.Array) -> jax.Array:
        kept, moved = jnp.split(jnp.take(x, np.array(self.permutation), axis=1), 2, axis=-1)
        hidden = jnp.tanh(jax.vmap(self.inward)(kept))
        scale, shift = jnp.split(jax.vmap(self.outward)(hidden), 2, axis=-1)
        return jnp.concatenate([kept, moved * jnp.exp(jnp.tanh(scale)) + shift], axis=-1)


def build() -> eqx.Module:
    return Coupling(12, key=jax.random.key(0))
