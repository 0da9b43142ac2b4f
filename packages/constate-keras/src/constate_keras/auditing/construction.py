"""Building what a factory made as its first call does, and what that does which the layer does not show afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import keras
from keras.src.backend.common import global_state

from constate.instruments import Replaced
from constate.state import Array, same_bits
from constate_keras.auditing.state import Place


class _Built(Exception):
    """Ends a first call when the layer is built."""


def build(layer: Any, first: Callable[[], Any]) -> None:
    """Do what the first call does before the layer runs: Keras builds it, by its ``build`` or by tracing its ``call``.

    Args:
        layer: not built.
        first: calls it.
    """
    original = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        if layer.built:
            raise _Built
        return original(*args, **kwargs)

    object.__setattr__(layer, "call", call)
    try:
        with suppress(_Built):
            first()
    finally:
        object.__delattr__(layer, "call")


@contextmanager
def forgetting() -> Iterator[None]:
    """A scope for what may build and fail: Keras then goes on trying to give values to the variables of the layer, and
    fails at it whenever another one is built."""
    try:
        yield
    except BaseException:
        global_state.set_global_attribute("uninitialized_variables", [])
        raise


class Assigned(NamedTuple):
    """A variable of a layer in whose place another was assigned."""

    holder: Any
    name: str
    old: Any
    new: Any


@contextmanager
def assignments() -> Iterator[list[Assigned]]:
    """The variables that are replaced by another while this is open."""
    found: list[Assigned] = []
    original = keras.Layer.__setattr__

    def note(self: Any, name: str, value: Any) -> None:
        old = object.__getattribute__(self, "__dict__").get(name)
        if old is not None and old is not value and all(isinstance(item, keras.Variable) for item in (old, value)):
            found.append(Assigned(self, name, old, value))
        original(self, name, value)

    keras.Layer.__setattr__ = note
    try:
        yield found
    finally:
        keras.Layer.__setattr__ = original


def replaced(found: list[Assigned], held: Mapping[str, Place], bits: Callable[[Any], Array]) -> Iterator[Replaced]:
    """Those that are in a layer, by path."""
    paths = {id(place.variable): path for path, place in held.items()}
    for holder, name, old, new in found:
        if id(new) in paths:
            yield Replaced(paths[id(new)], type(holder), name, not same_bits(bits(old), bits(new)))
