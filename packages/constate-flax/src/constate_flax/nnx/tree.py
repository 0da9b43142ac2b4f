"""Where an ``nnx.Module`` keeps its state: the leaves of ``nnx.state`` by canonical path."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias, TypeVar

import jax
import numpy as np
from flax import nnx

from constate.errors import Refused
from constate.state import Array
from constate_flax import arrays

M = TypeVar("M", bound=nnx.Module)
Path: TypeAlias = tuple[Any, ...]


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


def shared(module: Any, names: Collection[str]) -> dict[str, list[str]]:
    """The further paths of those of the entries that are shared, by their first path.

    Raises:
        Refused: two entries have one path, because a name has ``/`` in it.
    """
    groups = [group for group in nnx.find_duplicates(module) if not _within_itself(group)]
    found, taken = {}, set(leaves(module))
    for keys, leaf in nnx.to_flat_state(nnx.state(module)):
        name = "/".join(map(str, keys))
        if name in names and isinstance(leaf, nnx.Variable):
            others = sorted("/".join(map(str, other)) for other in _everywhere(keys, groups) - {keys})
            if doubled := taken & {*others} or {other for other in others if others.count(other) > 1}:
                raise Refused(f"{min(doubled)}: found two entries of this path; choose names without '/'")
            taken.update(others)
            found[name] = others
    return {name: others for name, others in found.items() if others}


def _everywhere(keys: Path, groups: list[list[Path]]) -> set[Path]:
    """Every path to what is at one, as what leads there is shared or it is itself."""
    found, waiting = {keys}, [keys]
    while waiting:
        path = waiting.pop()
        for first, *others in groups:
            if path[: len(first)] == first:
                new = {(*other, *path[len(first) :]) for other in others} - found
                found |= new
                waiting += new
    return found


def _within_itself(group: list[Path]) -> bool:
    """Whether it is a part that has the whole as an attribute, so that there is no end of paths."""
    first, *others = group
    return any(other[: len(first)] == first for other in others)


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
