"""Where an ``nnx.Module`` keeps its state: the leaves of ``nnx.state`` by canonical path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from flax import nnx

from constate.state import Array
from constate_flax import arrays

M = TypeVar("M", bound=nnx.Module)


def leaves(module: Any, *filters: Any) -> dict[str, Any]:
    """Every leaf of ``nnx.state(module)``, a variable or a bare array, by canonical path.

    The variables are the module's own and no copies; one that is shared stands under its first path. With ``filters``,
    the leaves that one of them takes: https://flax.readthedocs.io/en/latest/guides/filters_guide.html.
    """
    state = nnx.state(module, filters if filters else ...)
    return {"/".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(state)}


def value_of(leaf: Any) -> Any:
    """The array in a leaf."""
    return leaf.get_value() if isinstance(leaf, nnx.Variable) else leaf


def values(module: Any, *filters: Any) -> dict[str, Any]:
    """Every array of a module by canonical path."""
    return {path: value_of(leaf) for path, leaf in leaves(module, *filters).items()}


def commit(module: M, new: Mapping[str, Any]) -> M:
    """Put arrays in the places of those with these canonical paths."""
    paths = {"/".join(map(str, path)): path for path, _ in nnx.to_flat_state(nnx.state(module))}
    nnx.update(module, nnx.from_flat_state({paths[path]: value for path, value in new.items()}))
    return module


def plain(value: Any) -> jax.ShapeDtypeStruct:
    """Shape and dtype of what ``arrays.to_numpy`` makes of a value: a random key crosses as its data."""
    found = jax.eval_shape(jax.random.key_data, value) if arrays.is_key(value) else value
    return jax.ShapeDtypeStruct(found.shape, found.dtype)


def empty(value: Any) -> Array:
    """A NumPy array with whatever bytes, in the form in which a value crosses."""
    form = plain(value)
    return np.empty(form.shape, form.dtype)


def like(value: Array, old: Any) -> Any:
    """``value`` as JAX holds ``old``: on its devices, and as a random key if that is one."""
    sharding = getattr(old, "sharding", None)
    placed = arrays.from_numpy(value, None if arrays.is_key(old) else sharding)
    if not arrays.is_key(old):
        return placed
    implementation: list[Any] = []  # asked while tracing, which a key without memory answers as well
    jax.eval_shape(lambda key: implementation.append(jax.random.key_impl(key)), old)
    return jax.device_put(jax.random.wrap_key_data(placed, impl=implementation[0]), sharding)
