"""Where an ``nnx.Module`` keeps its state: the leaves of ``nnx.state`` by canonical path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from flax import nnx

from constate.errors import Refused
from constate.state import Array
from constate_flax import arrays

M = TypeVar("M", bound=nnx.Module)


def leaves(module: Any, *filters: Any) -> dict[str, Any]:
    """Every leaf of ``nnx.state(module)``, a variable or a bare array, by canonical path.

    The variables are the module's own and no copies; one that is shared stands under its first path. With ``filters``,
    the leaves that one of them takes: https://flax.readthedocs.io/en/latest/guides/filters_guide.html.

    Raises:
        Refused: two leaves have one path, because a name has ``/`` in it.
    """
    found = {}
    for keys, leaf in nnx.to_flat_state(nnx.state(module, filters if filters else ...)):
        path = "/".join(map(str, keys))
        if path in found:
            raise Refused(f"{path}: found two entries of this path; choose names without '/', the separator")
        found[path] = leaf
    return found


def value_of(leaf: Any) -> Any:
    """The array in a leaf."""
    return leaf.get_value() if isinstance(leaf, nnx.Variable) else leaf


def values(module: Any, *filters: Any) -> dict[str, Any]:
    """Every array of a module by canonical path.

    Raises:
        Refused: as ``leaves`` does; a variable holds something else than an array.
    """
    found = {path: value_of(leaf) for path, leaf in leaves(module, *filters).items()}
    for path, value in found.items():
        if not isinstance(value, (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct)):
            raise Refused(
                f"{path}: found {type(value).__name__} in a variable, expected an array; make it one, "
                "or keep it in a plain attribute; nothing was changed"
            )
    return found


def commit(module: M, new: Mapping[str, Any]) -> M:
    """Put arrays in the places of those with these canonical paths."""
    paths = {"/".join(map(str, path)): path for path, _ in nnx.to_flat_state(nnx.state(module))}
    nnx.update(module, nnx.from_flat_state({paths[path]: value for path, value in new.items()}))
    return module


def empty(value: Any) -> Array:
    """A NumPy array with whatever bytes, in the form in which a value crosses."""
    form = arrays.plain(value)
    return np.empty(form.shape, form.dtype)
