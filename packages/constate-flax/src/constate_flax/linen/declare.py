"""One more entry for a Linen module, declared as its author would have: by a subclass with a longer ``setup``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn

from constate.state import Array, Kind
from constate_flax.linen.state import CONSTANTS, DERIVED
from constate_flax.linen.tree import PARAMS, Variables

COLLECTIONS = {
    Kind.PARAMETER: PARAMS,
    Kind.CONSTANT: CONSTANTS,
    Kind.DERIVED: DERIVED,
    Kind.STATISTIC: "batch_stats",
    Kind.COUNTER: "batch_stats",
    Kind.CACHE: "cache",
    Kind.RNG: "rng",
}
"""The collection in which an entry of a kind is kept."""


def declare(
    module: nn.Module, collection: str, name: str, value: Array | None, make: Callable[[Any], Any]
) -> nn.Module:
    """The module with one more variable or parameter at its root, which ``make(value)`` initialises.

    Args:
        module: unbound; modules written with ``setup`` and with ``@nn.compact`` alike. It is not changed.
        collection: ``params`` makes a parameter.
        name: what Linen says to a bad name it says when the result is initialised.
    """
    base = type(module)

    def setup(self: nn.Module) -> None:
        base.setup(self)
        if collection == PARAMS:
            setattr(self, name, self.param(name, lambda key: make(value)))
        else:
            setattr(self, name, self.variable(collection, name, make, value))

    def reduce(self: nn.Module) -> tuple[Any, ...]:
        # The class has no name by which pickle could find it: it is made again from the class that it extends.
        return declare, (base(**_configuration(self)), collection, name, value, make)

    namespace = {"setup": setup, "__reduce__": reduce, "__module__": base.__module__, "__doc__": base.__doc__}
    extended: type[nn.Module] = type(base.__name__, (base,), namespace)
    return extended(**_configuration(module))


def bound(module: nn.Module, variables: Variables) -> nn.Module:
    """The module with its state and with whatever ``setup`` makes, in submodules too."""
    root: nn.Module = module.bind(variables)
    waiting = [root]
    while waiting:
        part = waiting.pop()
        dir(part)  # Linen runs setup before it lists attributes
        inside = [value for name, value in vars(part).items() if name != "parent"]
        held = jax.tree.leaves(inside, is_leaf=lambda item: isinstance(item, nn.Module))
        waiting += [item for item in held if isinstance(item, nn.Module)]
    return root


def _configuration(module: nn.Module) -> dict[str, Any]:
    fields = {field.name: getattr(module, field.name) for field in dataclasses.fields(module) if field.init}
    return fields | {"parent": None}
