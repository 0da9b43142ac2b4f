"""An ``eqx.nn.State`` beside the model counts steps: the pair is the tree, the counter is an integer leaf, which is
saved and not trained, and a pass only reads it."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,6]"]


class Warmed(eqx.Module):
    """A layer beside a skip connection that fades in with the number of steps made."""

    layer: eqx.nn.Linear
    steps: eqx.nn.StateIndex

    def __init__(self, *, key: jax.Array) -> None:
        self.layer = eqx.nn.Linear(6, 6, key=key)
        self.steps = eqx.nn.StateIndex(jnp.zeros((), jnp.int32))

    def advanced(self, state: eqx.nn.State) -> eqx.nn.State:
        """The state after a step."""
        return state.set(self.steps, state.get(self.steps) + 1)

    def __call__(self, x: jax.Array, state: eqx.nn.State) -> jax.Array:
        share = jnp.minimum(1.0, (state.get(self.steps) + 1) / 100)
        return jnp.tanh(jax.vmap(self.layer)(x)) + share.astype(x.dtype) * x


Tree = tuple[Warmed, eqx.nn.State]


def apply(tree: Tree, x: jax.Array) -> jax.Array:
    """The outputs for ``x`` at the step that the tree is at."""
    model, state = tree
    return model(x, state)


def build() -> tuple[Tree, Callable[[Tree, jax.Array], jax.Array]]:
    return eqx.nn.make_with_state(Warmed)(key=jax.random.key(0)), apply
