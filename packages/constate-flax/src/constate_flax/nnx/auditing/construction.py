"""What happens while a module is made: variables that take the place of others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from flax import nnx

from constate.instruments import Replaced
from constate.state import same_bits
from constate_flax.nnx.tree import value_of
from constate_jax.auditing.leaves import STATE, bits


class Construction:
    """A record of the variables that one construction lost."""

    def __init__(self) -> None:
        self._lost: list[tuple[Any, str, bool]] = []

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Record while this is open."""
        assign = nnx.Pytree.__setattr__

        def noted(holder: Any, name: str, value: Any) -> None:
            old = vars(holder).get(name)
            if isinstance(old, nnx.Variable) and isinstance(value, nnx.Variable) and old is not value:
                self._lost.append((holder, name, _differ(value_of(old), value_of(value))))
            assign(holder, name, value)

        with mock.patch.object(nnx.Pytree, "__setattr__", noted):
            yield

    def replaced(self, module: nnx.Module) -> list[Replaced]:
        """The names in the module that got a second variable."""
        paths = {id(node): path for path, node in nnx.iter_graph(module) if isinstance(node, nnx.Pytree)}
        return [
            Replaced("/".join(map(str, (*paths[id(holder)], name))), type(holder), name, differs)
            for holder, name, differs in self._lost
            if id(holder) in paths
        ]


def _differ(old: Any, new: Any) -> bool:
    if not (isinstance(old, STATE) and isinstance(new, STATE)):
        return type(old) is not type(new) or old != new
    return not same_bits(bits(old), bits(new))
