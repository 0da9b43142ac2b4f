"""What a Linen module holds outside of its variables: fields, what ``setup`` makes, and the same of submodules."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
from flax import linen as nn
from flax.core import FrozenDict

from constate.instruments.holdings import Part, attributes
from constate_flax.linen.auditing.passes import Shells
from constate_flax.linen.tree import PARAMS, Variables

INTERNAL = frozenset({"parent", "name", "scope", "_state", "_parent_ref", "_id"})
"""Linen's own attributes of a module."""


def parts_of(item: Any) -> Iterator[Part] | None:
    """The attributes of a module, and what ``setup`` makes of one that is bound; ``None`` for other objects."""
    if isinstance(item, FrozenDict):  # which Linen makes of dictionaries
        return iter([Part(f"[{key!r}]", value, _nowhere) for key, value in item.items()])
    if not isinstance(item, nn.Module):
        return None
    if vars(item).get("scope") is not None:
        with contextlib.suppress(Exception):  # a setup that needs what only a pass has
            nn.Module.__dir__(item)  # runs setup first
    return attributes(item, INTERNAL)


def parts_of_root(module: nn.Module, variables: Variables, shells: Shells) -> Iterator[Part]:
    """The module with its variables and what ``setup`` makes, and the submodules that are made within a pass."""
    with contextlib.suppress(Exception):  # with variables that do not fit, what setup makes is not seen
        bound = module.bind(variables, rngs={PARAMS: jax.random.key(0)})
        yield Part("", bound, _nowhere, owner=type(module))
    for path, shell in shells.items():
        if path:
            yield Part("." + ".".join(path), shell, _nowhere, owner=type(shell))


def _nowhere(value: Any) -> None:
    raise TypeError("this place cannot be written")
