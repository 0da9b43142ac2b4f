"""The places in the state of an NNX module: variables, bare arrays, and the arrays within variables that hold trees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flax import nnx

from constate_flax.nnx.tree import value_of
from constate_jax.auditing.leaves import STATE
from constate_jax.auditing.trees import Trees, places_in

CONTAINERS = (nnx.List, nnx.Dict)
"""Whose names say nothing of where an entry is made."""

TREES = Trees(places_in)
"""Those that stand within variables."""


@dataclass(frozen=True)
class Slot:
    """One array, number or ``None``."""

    value: Any
    leaf: Any
    """The variable that holds it, or itself."""
    keys: tuple[Any, ...]
    """The path of the leaf in ``nnx.state``."""
    inside: str | None
    """Its path within the variable, where that holds a tree."""
    owner: type
    name: str

    @property
    def whole(self) -> bool:
        """Whether it is all that a variable holds."""
        return self.inside is None and isinstance(self.leaf, nnx.Variable)


def slots(module: nnx.Module) -> dict[str, Slot]:
    """Every place by path. What a pass gives back by ``sow`` is no state."""
    found = {}
    classes = {path: type(node) for path, node in nnx.iter_graph(module) if isinstance(node, nnx.Pytree)}
    for keys, leaf in nnx.to_flat_state(nnx.state(module)):
        if isinstance(leaf, (nnx.Intermediate, nnx.Perturbation)):
            continue
        owner, name = _holder(classes, keys, type(module))
        path, value = "/".join(map(str, keys)), value_of(leaf)
        if value is None or isinstance(value, STATE):
            found[path] = Slot(value, leaf, keys, None, owner, name)
            continue
        for place, part in TREES.leaves(value):
            if isinstance(part, STATE):
                found[f"{path}/{place.path}"] = Slot(part, leaf, keys, place.path, owner, name)
    return found


def filled(module: nnx.Module, known: Mapping[str, Slot], values: Mapping[str, Any]) -> nnx.Module:
    """The module, changed in place, with other arrays at these paths, which ``slots`` has found."""
    whole: dict[tuple[Any, ...], Any] = {}
    parts: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(dict)
    for path, value in values.items():
        inside = known[path].inside
        if inside is None:
            whole[known[path].keys] = value
        else:
            parts[known[path].keys][inside] = value
    trees = {slot.keys: value_of(slot.leaf) for slot in known.values()}
    whole |= {keys: TREES.refilled(trees[keys], inside) for keys, inside in parts.items()}
    nnx.update(module, nnx.from_flat_state(whole))
    return module


def _holder(classes: Mapping[tuple[Any, ...], type], keys: tuple[Any, ...], root: type) -> tuple[type, str]:
    for length in range(len(keys) - 1, -1, -1):
        owner = classes.get(keys[:length])
        if owner is not None and not issubclass(owner, CONTAINERS):
            return owner, str(keys[length])
    return root, str(keys[0])
