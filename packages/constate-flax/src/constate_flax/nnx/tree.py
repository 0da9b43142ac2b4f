"""Where an ``nnx.Module`` keeps its state: the leaves of ``nnx.state`` by canonical path."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias, TypeVar

import jax
import numpy as np
from flax import nnx

from constate.errors import Refused
from constate.state import Array
from constate_flax import arrays

M = TypeVar("M", bound=nnx.Module)
Path: TypeAlias = tuple[Any, ...]
ARRAYS = (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct)
"""What an entry is; JAX's references are none of them."""
_KEYS: dict[type[Any], Callable[[Any], Any]] = {
    jax.tree_util.GetAttrKey: attrgetter("name"),
    jax.tree_util.DictKey: attrgetter("key"),
    jax.tree_util.FlattenedIndexKey: attrgetter("key"),
    jax.tree_util.SequenceKey: attrgetter("idx"),
}
"""NNX's key for one of JAX."""


class Found(NamedTuple):
    """What a module keeps."""

    entries: dict[str, tuple[Path, Any]]
    """The keys and the leaf of every entry, by canonical path."""
    tree: bool
    """Whether it is sure that nothing of it stands in two places."""


def located(module: Any) -> Found:
    """Every leaf of ``nnx.state(module)``, a variable or a bare array.

    The variables are the module's own and no copies; one that is shared stands under its first path.

    Raises:
        Refused: two leaves have one path, because a name has ``/`` in it.
    """
    pairs = _unshared(module)
    entries: dict[str, tuple[Path, Any]] = {}
    for keys, leaf in nnx.to_flat_state(nnx.state(module)) if pairs is None else pairs:
        path = "/".join(map(str, keys))
        if path in entries:
            raise Refused(f"{path}: found two entries of this path; choose names without '/', the separator")
        entries[path] = keys, leaf
    return Found(entries, pairs is not None)


def _unshared(module: Any) -> list[tuple[Path, Any]] | None:
    """Keys and leaves of a module as NNX has them, in a third of the time: where it is a tree of variables, and no part
    of it is in two places. Nothing of another one."""
    variables, modules = set[int](), set[int]()

    def ends(part: Any) -> bool:
        if _holds_array(part):
            variables.add(id(part))
            return True
        if isinstance(part, nnx.Pytree):
            if id(part) in modules:  # perhaps it is within itself, where JAX would go round and round
                return True
            modules.add(id(part))
        return isinstance(part, nnx.Variable)

    pairs = jax.tree.leaves_with_path(module, is_leaf=ends)
    if len(variables) != len(pairs):
        return None
    return [(tuple([_KEYS.get(type(key), str)(key) for key in keys]), leaf) for keys, leaf in pairs]


def _holds_array(leaf: Any) -> bool:
    """Whether it is a variable with an array, and none of JAX's references, which two variables may share.
    ``isinstance`` of a variable takes ten times the time of ``issubclass``."""
    return issubclass(type(leaf), nnx.Variable) and isinstance(leaf.get_raw_value(), ARRAYS)


def leaves(module: Any, *filters: Any) -> dict[str, Any]:
    """The leaves by canonical path, see ``located``.

    With ``filters``, those that one of them takes: https://flax.readthedocs.io/en/latest/guides/filters_guide.html.

    Raises:
        Refused: as ``located`` does.
    """
    return chosen(located(module), *filters)


def chosen(found: Found, *filters: Any) -> dict[str, Any]:
    """``leaves`` of what is found."""
    if not filters:
        return {path: leaf for path, (_, leaf) in found.entries.items()}
    takes = nnx.filterlib.to_predicate(filters[0] if len(filters) == 1 else filters)
    return {path: leaf for path, (keys, leaf) in found.entries.items() if takes(keys, leaf)}


def shared(module: Any, found: Found, names: Collection[str]) -> dict[str, list[str]]:
    """The further paths of those of the entries that are shared, by their first path.

    Raises:
        Refused: two entries have one path, because a name has ``/`` in it.
    """
    if found.tree:
        return {}
    groups = [group for group in nnx.find_duplicates(module) if not _within_itself(group)]
    further, taken = {}, set(found.entries)
    for name, (keys, leaf) in found.entries.items():
        if name in names and isinstance(leaf, nnx.Variable):
            others = sorted("/".join(map(str, other)) for other in _everywhere(keys, groups) - {keys})
            if doubled := taken & {*others} or {other for other in others if others.count(other) > 1}:
                raise Refused(f"{min(doubled)}: found two entries of this path; choose names without '/'")
            taken.update(others)
            further[name] = others
    return {name: others for name, others in further.items() if others}


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
    # What ``get_value`` gives as well, in ten times the time, unless the variable has one of its own.
    if _holds_array(leaf) and type(leaf).get_value is nnx.Variable.get_value and not leaf.has_metadata("on_get_value"):
        return leaf.get_raw_value()
    return leaf.get_value() if isinstance(leaf, nnx.Variable) else leaf


def values(module: Any, *filters: Any) -> dict[str, Any]:
    """Every array of a module by canonical path.

    Raises:
        Refused: as ``leaves`` does; a variable holds something else than an array.
    """
    return values_of(leaves(module, *filters))


def values_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays in leaves. Raises ``Refused`` where one holds something else."""
    held = {path: value_of(leaf) for path, leaf in found.items()}
    for path, value in held.items():
        if not isinstance(value, ARRAYS):
            raise Refused(
                f"{path}: found {type(value).__name__} in a variable, expected an array; make it one, "
                "or keep it in a plain attribute; nothing was changed"
            )
    return held


def commit(module: M, new: Mapping[str, Any], found: Found | None = None) -> M:
    """Put arrays in the places of those with these canonical paths, as ``nnx.update`` does.

    Args:
        module: any module.
        new: the arrays.
        found: what ``located`` has found in it.
    """
    entries = (found or located(module)).entries
    others: dict[Path, Any] = {}
    for path, value in new.items():
        keys, leaf = entries[path]
        if _holds_array(leaf):
            leaf.set_raw_value(value)
        else:
            others[keys] = value
    if others:
        nnx.update(module, nnx.from_flat_state(others))
    return module


def empty(value: Any) -> Array:
    """A NumPy array with whatever bytes, in the form in which a value crosses."""
    form = arrays.plain(value)
    return np.empty(form.shape, form.dtype)
