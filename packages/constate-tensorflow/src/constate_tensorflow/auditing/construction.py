"""What a constructor does that its module does not show afterwards: names that it gives twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import tensorflow as tf

from constate.instruments import Replaced
from constate.state import same_bits
from constate_tensorflow.auditing.state import Slot, bits, dtype_name, has_numbers

_ASSIGNING: Any = next(cls for cls in tf.Module.__mro__ if "__setattr__" in vars(cls))


class Assigned(NamedTuple):
    """A variable of a module in whose place something else was assigned."""

    holder: Any
    name: str
    old: Any
    new: Any


@contextmanager
def assignments() -> Iterator[list[Assigned]]:
    """The variables that are replaced by another variable or a tensor while this is open."""
    found: list[Assigned] = []
    original = _ASSIGNING.__setattr__

    def note(self: Any, name: str, value: Any) -> None:
        old = object.__getattribute__(self, "__dict__").get(name)
        if old is not None and _loses(old, value):
            found.append(Assigned(self, name, old, value))
        original(self, name, value)

    _ASSIGNING.__setattr__ = note
    try:
        yield found
    finally:
        _ASSIGNING.__setattr__ = original


def _loses(old: Any, new: Any) -> bool:
    return old is not new and isinstance(old, tf.Variable) and isinstance(new, (tf.Variable, tf.Tensor))


def replaced(found: list[Assigned], held: Mapping[str, Slot]) -> Iterator[Replaced]:
    """Those that are in a module, by path."""
    for holder, name, old, new in found:
        for path, slot in held.items():
            if slot.holder is holder and slot.name == name:
                yield Replaced(path, type(holder), name, _differs(old, new))
                break


def _differs(old: Any, new: Any) -> bool:
    if type(old) is not type(new) or not (has_numbers(old) and has_numbers(new)):
        return True
    return dtype_name(old) != dtype_name(new) or not same_bits(bits(old), bits(new))
