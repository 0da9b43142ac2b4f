"""A table of sinusoids, meant to be fixed, is a float leaf like the weights: whoever trains the whole tree trains and
decays the positions too."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

HAZARD: str | None = "G03"
ENTRY: str | None = "positions"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,12,8]"]


def sinusoids(length: int, features: int) -> jax.Array:
    angles = jnp.arange(length)[:, None] / 10000 ** (jnp.arange(0, features, 2) / features)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


class Encoder(eqx.Module):
    """Adds fixed positions to ``x`` ``[batch, length, features]`` and mixes."""

    positions: jax.Array
    mix: eqx.nn.Linear

    def __init__(self, max_length: int, features: int, *, key: jax.Array) -> None:
        self.positions = sinusoids(max_length, features)
        self.mix = eqx.nn.Linear(features, features, key=key)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.positions[: x.shape[1]]
        return jnp.tanh(jax.vmap(jax.vmap(self.mix))(x))


def build() -> eqx.Module:
    return Encoder(32, 8, key=jax.random.key(0))
