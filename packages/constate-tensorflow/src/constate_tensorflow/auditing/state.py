"""What a module keeps in variables, found by TensorFlow's own tracking; each object of it is visited once."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from constate.state import Array
from constate_tensorflow.tree import TensorOrVariable


class Slot(NamedTuple):
    """Where a variable is kept."""

    variable: TensorOrVariable
    holder: Any
    """The module, or else what is tracked and no container, that holds it or the container that it is in."""
    name: str
    """The attribute of the holder that leads to it."""
    tracked: bool
    """Whether ``tf.train.Checkpoint`` follows it."""


def slots(module: Any) -> dict[str, Slot]:
    """Every variable that ``tf.train.Checkpoint`` follows, and those that are attributes of a module and that it does
    not follow, by path; one that is held in two places has two paths."""
    found: dict[str, Slot] = {}
    seen = {id(module)}
    waiting: deque[tuple[str, Any, Any, str]] = deque([("", module, module, "")])
    while waiting:
        path, item, holder, attribute = waiting.popleft()
        followed = children(item)
        for name, child in {**followed, **_unfollowed(item, followed)}.items():
            # What is in a list or a dict is made by the module that has it as an attribute.
            above, label = (holder, attribute) if item is not holder else (item, name)
            below = f"{path}{name.replace('/', '.S')}"  # as TensorFlow itself escapes it
            variable = unwrapped(child)
            if variable is not None:
                found.setdefault(below, Slot(variable, above, label, name in followed))
            elif id(child) not in seen and not is_weight(child):
                seen.add(id(child))
                container = isinstance(child, (list, tuple, Mapping))
                waiting.append((f"{below}/", child, above if container else child, label if container else ""))
    return found


def children(item: Any) -> dict[str, Any]:
    """What ``tf.train.Checkpoint`` follows from an object; nothing where it refuses to save what it finds there, such
    as a dict with keys that are no strings."""
    try:
        return dict(tf.train.TrackableView.children(item))
    except Exception:
        return {}


def _unfollowed(item: Any, followed: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(item, tf.Module):
        return {}
    own = object.__getattribute__(item, "__dict__")
    return {n: v for n, v in own.items() if isinstance(v, tf.Variable) and v is not followed.get(n)}


def is_weight(item: object) -> bool:
    """Whether it is a variable, or Keras' wrapper around one; does not import Keras."""
    keras = sys.modules.get("keras")
    return isinstance(item, tf.Variable) or (keras is not None and isinstance(item, keras.Variable))


def unwrapped(item: object) -> TensorOrVariable | None:
    """The variable that it is, or that Keras has wrapped; ``None`` for anything else, and for one without numbers."""
    if not is_weight(item):
        return None
    variable: Any = item if isinstance(item, tf.Variable) else item._value  # type: ignore[attr-defined]
    return variable if isinstance(variable, tf.Variable) and has_numbers(variable) else None


def has_numbers(array: TensorOrVariable) -> bool:
    """Whether it has bits of its own: the handle of a table or a data set has none, and a tensor of a graph neither."""
    if array.dtype in (tf.resource, tf.variant) or array.dtype.is_quantized:
        return False
    return not tf.is_symbolic_tensor(array.handle if isinstance(array, tf.Variable) else array)


def bits(array: TensorOrVariable) -> Array:
    """A copy of the bits of a tensor or variable; strings as NumPy's of a fixed length."""
    value = array.numpy()
    return np.array(value).astype(np.bytes_) if array.dtype == tf.string else np.array(value)


def dtype_name(array: TensorOrVariable) -> str:
    """The NumPy name of its dtype."""
    return str(bits(array).dtype) if array.dtype == tf.string else str(array.dtype.name)


def shape(array: TensorOrVariable) -> tuple[int, ...]:
    """Its shape, also of a variable that may change it."""
    found = array.shape if array.shape.is_fully_defined() else array.read_value().shape
    return tuple(found)


def memory(array: TensorOrVariable) -> int:
    """Equal for two variables exactly if they have one handle. A tensor never changes: the object is the memory."""
    return id(array.handle if isinstance(array, tf.Variable) else array)


def others(module: Any) -> Iterator[str]:
    """The paths of what ``tf.train.Checkpoint`` saves and that is no variable, such as a hash table."""
    seen = {id(module)}
    waiting: deque[tuple[str, Any]] = deque([("", module)])
    while waiting:
        path, item = waiting.popleft()
        for name, child in children(item).items():
            if id(child) not in seen and not is_weight(child):
                seen.add(id(child))
                below = f"{path}{name.replace('/', '.S')}"
                if type(child)._serialize_to_tensors is not tf.Module._serialize_to_tensors:
                    yield below
                waiting.append((f"{below}/", child))
