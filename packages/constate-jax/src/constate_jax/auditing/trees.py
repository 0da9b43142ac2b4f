"""The places in a pytree: what stands there, and which object of the author's holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MemberDescriptorType
from typing import Any

import jax
from jax.tree_util import DictKey, GetAttrKey, SequenceKey, keystr

from constate.instruments.imports import imports_in
from constate.state import SEPARATOR


@dataclass(frozen=True)
class Place:
    """Where a leaf of a tree is."""

    path: str
    owner: type
    """The class of the innermost object above it that is no plain container."""
    name: str
    """What leads to it from there."""


class Trees:
    """Trees by path. Where the leaves of a tree are is found once for each structure, since a tree of thousands is
    asked for one of them thousands of times.

    Args:
        find: every place in a tree, in the order of its leaves.
    """

    def __init__(self, find: Callable[[Any], list[Place]]) -> None:
        self._find = find
        self._known: dict[Any, dict[str, tuple[int, Place]]] = {}

    def places(self, tree: Any) -> dict[str, tuple[int, Place]]:
        """The number and the place of every leaf, by path."""
        structure = jax.tree.structure(tree)
        try:
            return self._known[structure]
        except KeyError:
            self._known[structure] = self._numbered(tree)
            return self._known[structure]
        except Exception:  # what a structure says of itself cannot be hashed or compared, as arrays in it
            return self._numbered(tree)

    def _numbered(self, tree: Any) -> dict[str, tuple[int, Place]]:
        return {place.path: (number, place) for number, place in enumerate(self._find(tree))}

    def leaves(self, tree: Any) -> Iterator[tuple[Place, Any]]:
        """Every leaf with its place, in the order of the tree."""
        values = jax.tree.leaves(tree)
        return ((place, values[number]) for number, place in self.places(tree).values())

    def refilled(self, tree: Any, values: Mapping[str, Any]) -> Any:
        """The tree with other leaves at these paths."""
        places = self.places(tree)
        leaves, structure = jax.tree.flatten(tree)
        for path, value in values.items():
            leaves[places[path][0]] = value
        return jax.tree.unflatten(structure, leaves)


def places_in(tree: Any) -> list[Place]:
    """Every place in a tree. A name with the separator in it, which may make two paths one, is quoted then."""
    found: dict[str, Place] = {}
    for keys, _ in jax.tree.leaves_with_path(tree):
        path = keystr(keys, simple=True, separator=SEPARATOR)
        if path in found:
            path = keystr(keys)
        found[path] = Place(path, *_held(tree, keys))
    return list(found.values())


def empty_in(tree: Any) -> list[Place]:
    """The places of what is ``None`` in a tree."""
    leaves = jax.tree.leaves_with_path(tree, is_leaf=lambda item: item is None)
    empty = [keys for keys, leaf in leaves if leaf is None]
    return [Place(keystr(keys, simple=True, separator=SEPARATOR), *_held(tree, keys)) for keys in empty]


def same_form(first: Any, second: Any) -> bool:
    """Whether two trees have one structure, of more than a single leaf, with arrays of the same shapes."""
    try:
        structure: Any = jax.tree.structure(first)
        if jax.tree.structure(second) != structure or structure == jax.tree.structure(0):
            return False
    except Exception:  # what a tree says of itself cannot be compared, as arrays in it
        return False
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(getattr(one, "shape", ()) == getattr(other, "shape", ()) for one, other in pairs)


def abstract(build: Callable[[], Any]) -> Any:
    """The tree that ``build`` makes, with shapes in the place of JAX arrays and everything else as it is."""
    kept: list[Any] = []

    def arrays() -> dict[int, jax.Array]:
        leaves, structure = jax.tree.flatten(build())
        kept[:] = leaves, structure
        return {number: leaf for number, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)}

    shapes = shapes_of(arrays)
    leaves, structure = kept
    return jax.tree.unflatten(structure, [shapes.get(number, leaf) for number, leaf in enumerate(leaves)])


def shapes_of(run: Callable[..., Any], *given: Any) -> Any:
    """``jax.eval_shape``, with what is imported meanwhile executed outside of the trace."""
    with imports_in(jax.ensure_compile_time_eval):
        return jax.eval_shape(run, *given)


def _held(tree: Any, keys: tuple[Any, ...]) -> tuple[type, str]:
    item, owner, names = tree, type(tree), list[str]()
    for key in keys:
        if item is not None and type(item) not in (dict, list, tuple):
            owner, names = type(item), []
        names.append(keystr((key,), simple=True))
        item = _below(item, key)
    if owner in (dict, list, tuple):
        return owner, names[-1] if names else ""
    return owner, names[0] if names else ""


def _below(item: Any, key: Any) -> Any:
    """What a key leads to, without running any code of the user's; ``None`` where that cannot be said."""
    if isinstance(key, DictKey) and isinstance(item, dict):
        return dict.get(item, key.key)
    if isinstance(key, SequenceKey) and isinstance(item, list):
        return list.__getitem__(item, key.idx)
    if isinstance(key, SequenceKey) and isinstance(item, tuple):
        return tuple.__getitem__(item, key.idx)
    if not isinstance(key, GetAttrKey):
        return None
    try:
        return object.__getattribute__(item, "__dict__")[key.name]
    except Exception:  # an object with slots, or one that hides its attributes
        slot = next((vars(cls)[key.name] for cls in type(item).__mro__ if key.name in vars(cls)), None)
    if isinstance(slot, MemberDescriptorType):
        return slot.__get__(item)
    return None
