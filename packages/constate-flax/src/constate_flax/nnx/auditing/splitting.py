"""A module as a list of arrays and a way back. JAX remembers the structures of what it traces and compares them with
one another; a list keeps out of that what a module says of itself, such as arrays, which have no equality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from constate_flax.nnx.tree import value_of
from constate_jax.auditing.leaves import STATE
from constate_jax.auditing.trees import shapes_of


def has_arrays(keys: Any, leaf: Any) -> bool:
    """Whether a leaf of ``nnx.state`` holds arrays and numbers only: a filter."""
    return all(isinstance(value, STATE) for value in jax.tree.leaves(value_of(leaf)))


def listed(state: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The arrays of a state, and what makes a state of others."""
    leaves, structure = jax.tree.flatten(state)
    return leaves, lambda others: jax.tree.unflatten(structure, others)


def split(module: nnx.Module) -> tuple[list[Any], Callable[[list[Any]], nnx.Module]]:
    """The arrays of a module, and what makes another such module of others."""
    parts: Any = nnx.split(module, has_arrays, ...)
    graph, state, rest = parts
    leaves, back = listed(state)

    def merged(others: list[Any]) -> nnx.Module:
        made: nnx.Module = nnx.merge(graph, back(others), rest)
        return made

    return leaves, merged


def without_memory(run: Callable[..., tuple[nnx.Module, Any]], *given: Any) -> tuple[nnx.Module, Any]:
    """What ``run`` gives for shapes: a module, with shapes in the place of JAX arrays, and the shapes of a tree."""
    kept: list[Any] = []

    def arrays(*given: Any) -> tuple[dict[int, Any], Any]:
        module, beside = run(*given)
        kept[:] = split(module)
        return {number: leaf for number, leaf in enumerate(kept[0]) if isinstance(leaf, jax.Array)}, beside

    shapes, beside = shapes_of(arrays, *given)
    leaves, merged = kept
    return merged([shapes.get(number, leaf) for number, leaf in enumerate(leaves)]), beside
