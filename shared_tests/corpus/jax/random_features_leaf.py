"""Fixed random frequencies are a leaf behind a ``stop_gradient``: no gradient reaches them, but optax over the whole
tree decays them step by step."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

HAZARD: str | None = "G03"
ENTRY: str | None = "frequencies"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,3]"]


class CoordinateNetwork(eqx.Module):
    """A network on random Fourier features (Tancik et al. 2020) of ``x`` ``[batch, 3]``."""

    frequencies: jax.Array
    inward: eqx.nn.Linear
    outward: eqx.nn.Linear

    def __init__(self, count: int, scale: float, *, key: jax.Array) -> None:
        first, second, third = jax.random.split(key, 3)
        self.frequencies = scale * jax.random.normal(first, (3, count))
        self.inward = eqx.nn.Linear(2 * count, 32, key=second)
        self.outward = eqx.nn.Linear(32, 2, key=third)

    def __call__(self, x: jax.Array) -> jax.Array:
        angles = x @ jax.lax.stop_gradient(self.frequencies)
        features = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        return jax.vmap(self.outward)(jnp.tanh(jax.vmap(self.inward)(features)))


def build() -> eqx.Module:
    return CoordinateNetwork(16, 1.0, key=jax.random.key(0))
