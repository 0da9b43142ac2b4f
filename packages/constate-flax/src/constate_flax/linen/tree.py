"""A Linen ``variables`` dictionary seen as entries: canonical paths and the arrays behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import jax
import numpy as np
import optax

from constate.errors import Refused
from constate.state import SEPARATOR

Variables: TypeAlias = Mapping[str, Any]
"""What ``init`` gives and ``apply`` takes: collections of nested dictionaries of arrays."""

PARAMS = "params"


def located(variables: Variables) -> dict[str, tuple[str, Any]]:
    """The collection and the array of every entry, by canonical path.

    A path omits the collection, ``query/kernel`` and not ``params/query/kernel``, unless another collection has an
    entry of the same path: then all but the parameter begin with their collection.

    Raises:
        Refused: two entries have one path, because a name has ``/`` in it or is that of a collection.
    """
    found = [(collection, path, leaf) for collection in variables for path, leaf in _leaves(variables[collection])]
    times = Counter(path for _, path, _ in found)
    entries: dict[str, tuple[str, Any]] = {}
    for collection, inside, leaf in found:
        path = inside if times[inside] == 1 or collection == PARAMS else f"{collection}{SEPARATOR}{inside}"
        if path in entries:
            raise Refused(f"{path}: found two entries of this path, in {entries[path][0]} and {collection}; rename one")
        entries[path] = collection, leaf
    return entries


def replaced(variables: Variables, values: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with other arrays at these canonical paths; what was given is not changed.

    Raises:
        KeyError: there is no such entry.
    """
    return put(variables, located(variables), values)


def put(variables: Variables, entries: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``replaced`` for variables of which the entries are ``located``."""
    if unknown := values.keys() - entries.keys():
        raise KeyError(*sorted(unknown))
    # Both list collections, and leaves within them, in the order of ``variables``.
    after = {}
    rest = iter(entries)
    for collection in variables:
        leaves, structure = jax.tree.flatten(variables[collection])
        after[collection] = jax.tree.unflatten(structure, [values.get(next(rest), leaf) for leaf in leaves])
    return after


def dtype_of(leaf: Any) -> str:
    """The dtype of an array, of a shape without memory, or of whatever else stands in its place."""
    return str(leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype)


def _leaves(tree: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """What JAX lists, in its order. What is in a dictionary is found here, in a fourth of the time."""
    if type(tree) is dict and {*map(type, tree)} <= {str}:
        for name in sorted(tree):
            if isinstance(inside := tree[name], (jax.Array, np.ndarray, jax.ShapeDtypeStruct)):
                yield before + name, inside
            else:
                yield from _leaves(inside, f"{before}{name}{SEPARATOR}")
        return
    for keys, leaf in jax.tree.leaves_with_path(tree):
        path = jax.tree_util.keystr(keys, simple=True, separator=SEPARATOR)
        yield before + path if keys else before.removesuffix(SEPARATOR), leaf


def slots_in(state: optax.OptState, variables: Variables) -> frozenset[str]:
    """The entries for which an optimizer keeps arrays. Optax keeps them in trees of the shape of what it was handed,
    so that the last keys of a slot's path are the keys of its entry, with or without the collection."""
    entries = {}
    for path, (collection, _) in located(variables).items():
        inside = tuple(path.removeprefix(f"{collection}{SEPARATOR}").split(SEPARATOR))
        entries[(collection, *inside)] = path
        if collection == PARAMS:
            entries[inside] = path
    found = set()
    for keys, _ in jax.tree.leaves_with_path(state):
        names: list[str] = []
        for key in reversed(keys):
            if not isinstance(key, jax.tree_util.DictKey):
                break
            names.insert(0, str(key.key))
        found.add(entries.get(tuple(names)))
    return frozenset(path for path in found if path is not None)
