"""A dictionary of arrays and a compiled function: the initial state comes from shapes at every call, and a loop runs as
long as the data ask for. Nothing is carried outside of the tree."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,10,4]"]

Parameters = dict[str, jax.Array]


@jax.jit
def run(parameters: Parameters, x: jax.Array) -> jax.Array:
    level = jax.lax.while_loop(lambda level: level > 4, lambda level: level / 2, jnp.abs(x).max())
    x = x * jax.lax.stop_gradient(level / jnp.abs(x).max())

    def step(hidden: jax.Array, now: jax.Array) -> tuple[jax.Array, jax.Array]:
        hidden = jnp.tanh(now @ parameters["inward"] + hidden @ parameters["across"])
        return hidden, hidden @ parameters["outward"]

    hidden = jnp.zeros((x.shape[0], parameters["across"].shape[0]), parameters["across"].dtype)
    _, outputs = jax.lax.scan(step, hidden, x.swapaxes(0, 1).astype(hidden.dtype))
    return outputs.swapaxes(0, 1)


def apply(parameters: Parameters, x: jax.Array) -> jax.Array:
    """The outputs ``[batch, length, 3]`` of a recurrent network over ``x`` ``[batch, length, 4]``."""
    return run(parameters, x)


def build() -> tuple[Parameters, Callable[[Parameters, jax.Array], jax.Array]]:
    shapes = {"inward": (4, 16), "across": (16, 16), "outward": (16, 3)}
    keys = jax.random.split(jax.random.key(0), len(shapes))
    parameters = {
        name: jax.random.normal(key, shape) * shape[0] ** -0.5
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }
    return parameters, apply
