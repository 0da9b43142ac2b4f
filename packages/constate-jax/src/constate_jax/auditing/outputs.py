"""Outputs of any structure: the arrays in them, and the loss that training minimises."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr

from constate.reach import arrays_within
from constate_jax.arrays import is_key


def is_array(item: object) -> bool:
    """Whether it is an array with bits, or stands for one while a program is traced."""
    return isinstance(item, (jax.Array, np.ndarray, np.generic))


def arrays_in(outputs: Any) -> dict[str, Any]:
    """Every array and number in the outputs of a pass, by its path in them; also within objects that JAX knows
    nothing of."""
    try:
        leaves = [(keystr(keys, simple=True, separator="/"), leaf) for keys, leaf in jax.tree.leaves_with_path(outputs)]
    except (TypeError, ValueError):  # such as a dictionary whose keys cannot be sorted
        leaves = [("", outputs)]
    found: dict[str, Any] = {}
    for path, leaf in leaves:
        if is_array(leaf):
            found[path] = leaf
        elif isinstance(leaf, (bool, int, float, complex)):
            found[path] = np.asarray(leaf)
        else:
            inside = arrays_within(leaf, is_array)
            found |= {f"{path}/{below}" if path else below: array for below, array in inside}
    return found


def loss_of(outputs: Any) -> jax.Array | None:
    """The mean of the squares of each float output, summed; ``None`` where there is none."""
    floats = [
        leaf
        for leaf in arrays_in(outputs).values()
        if isinstance(leaf, jax.Array) and not is_key(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact) and leaf.size
    ]
    if not floats:
        return None
    found: jax.Array = _means_of_squares(floats)
    return found


def nothing() -> jax.Array:
    """A loss that depends on nothing."""
    return jnp.asarray(np.zeros((), np.float32))


@jax.jit
def _means_of_squares(arrays: list[jax.Array]) -> jax.Array:
    return sum((_square(array).sum() / array.size for array in arrays), start=jnp.zeros(()))


def _square(array: jax.Array) -> jax.Array:
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        return jnp.real(array * jnp.conj(array))
    wide = array.astype(jnp.float32) if array.dtype.itemsize < 4 else array
    return wide * wide


def traceable(outputs: Any) -> list[Any]:
    """What of the outputs a traced program can give back."""
    return [array for array in arrays_in(outputs).values() if isinstance(array, jax.Array)]
