"""Where else a module may hold arrays: its attributes without what TensorFlow keeps there, and TensorFlow's own
containers and composite tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import tensorflow as tf

from constate.instruments.holdings import Part, attributes
from constate_tensorflow.auditing.state import is_weight

_OWN = frozenset({"_name", "_name_scope", "_scope_name"})


def parts(item: Any) -> Iterator[Part] | None:
    """The parts of a module, of a dict that TensorFlow has wrapped, of a tensor that is made of several."""
    if isinstance(item, tf.Module):
        own = object.__getattribute__(item, "__dict__")
        return attributes(item, _OWN | {name for name in own if str(name).startswith("_self_")})
    if isinstance(item, Mapping) and type(item).__module__.startswith("tensorflow."):
        return _entries(item)
    own = type(item).__module__.startswith("tensorflow.")
    if own and tf.is_tensor(item) and not is_weight(item) and not isinstance(item, tf.Tensor):
        return _components(item)
    return None


def _entries(wrapped: Any) -> Iterator[Part]:
    for key in list(wrapped):
        yield Part(f"[{key!r}]", wrapped[key], partial(wrapped.__setitem__, key))


def _components(composite: Any) -> Iterator[Part]:
    for index, component in enumerate(tf.nest.flatten(composite, expand_composites=True)):
        yield Part(f".<component>[{index}]", component, _nowhere)


def _nowhere(value: Any) -> None:
    raise TypeError("a component of a tensor cannot be written")
