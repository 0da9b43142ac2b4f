"""A complex leaf is trained beside float ones: a cast of the float leaves passes it by, so that it keeps its imaginary
part."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,12,4]"]

Pair = tuple[jax.Array, jax.Array]


class LinearRecurrence(eqx.Module):
    """A diagonal complex recurrence (Orvieto et al. 2023) over ``x`` ``[batch, length, features]``."""

    transition: jax.Array
    inward: jax.Array
    outward: jax.Array

    def __init__(self, features: int, states: int, *, key: jax.Array) -> None:
        radius, angle, first, second = jax.random.split(key, 4)
        size = jax.random.uniform(radius, (states,), minval=0.5, maxval=0.9)
        self.transition = size * jnp.exp(1j * jax.random.uniform(angle, (states,), maxval=0.6))
        self.inward = jax.random.normal(first, (features, states)) * features**-0.5
        self.outward = jax.random.normal(second, (states, features)) * states**-0.5

    def __call__(self, x: jax.Array) -> jax.Array:
        pushes = (x @ self.inward).astype(self.transition.dtype)
        factors = jnp.broadcast_to(self.transition, pushes.shape)

        def join(first: Pair, second: Pair) -> Pair:
            return first[0] * second[0], second[0] * first[1] + second[1]

        _, states = jax.lax.associative_scan(join, (factors, pushes), axis=1)
        return states.real.astype(x.dtype) @ self.outward


def build() -> eqx.Module:
    return LinearRecurrence(4, 8, key=jax.random.key(0))
