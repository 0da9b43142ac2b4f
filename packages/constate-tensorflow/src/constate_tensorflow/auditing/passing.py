"""Calls of modules: arguments and outputs of any structure, the mode, the random generators."""

from __future__ import annotations

import dataclasses
import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import stateful_random_ops

from constate.instruments import Outputs
from constate.instruments.inputs import Call
from constate_tensorflow.auditing.state import bits, has_numbers, is_weight

MODES = ("training", "is_training")
"""What authors call the argument that says which mode a pass is in: Keras' name and Sonnet's."""


class CopiedInSilence(Exception):
    """A pass computes with memory on another device than the module's, which TensorFlow copies over in silence."""


def seed_all(seed: int) -> None:
    """Seed TensorFlow's global seed and global generator, NumPy's and Python's."""
    random.seed(seed)
    np.random.seed(seed)
    tf.random.set_seed(seed)
    # One that is made when it is first asked for has a random seed; there is no other way to ask whether it is.
    if stateful_random_ops.global_generator is not None:
        stateful_random_ops.global_generator.reset_from_seed(seed)


def tensors(call: Call, floats: Any) -> Call:
    """The call with tensors in the places of NumPy arrays, float ones in that float type."""

    def change(leaf: Any) -> Any:
        if not isinstance(leaf, (np.ndarray, np.generic)):
            return leaf
        tensor = tf.constant(leaf)
        return tf.cast(tensor, floats) if tensor.dtype.is_floating and floats is not None else tensor

    return call.map(change)


def invoke(module: Any, call: Call, training: bool) -> Any:
    """The outputs; the mode is given to a module that takes it."""
    return module(*call.args, **{**call.kwargs, **dict.fromkeys(_modes(type(module), call), training)})


def _modes(cls: type, call: Call) -> list[str]:
    try:  # of the class, whose instances may have attributes that raise
        names = list(inspect.signature(cls.__call__).parameters)[1:]
    except (TypeError, ValueError, AttributeError):
        return []
    return [name for name in MODES if name in names[len(call.args) :]]


def flat(outputs: Any) -> Iterator[tuple[str, Any]]:
    """Every tensor, variable and NumPy array in outputs of any structure, by its path in them."""
    seen: set[int] = set()

    def visit(path: str, item: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(item, np.ndarray) or is_weight(item) or isinstance(item, tf.Tensor):
            if isinstance(item, np.ndarray) or is_weight(item) or has_numbers(item):
                yield path, item
        elif id(item) not in seen and not isinstance(item, (str, bytes, tf.Module)):
            seen.add(id(item))
            for name, part in _parts(item):
                yield from visit(f"{path}/{name}".removeprefix("/"), part)

    yield from visit("", outputs)


def _parts(item: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(item, Mapping):
        yield from item.items()
    elif isinstance(item, (list, tuple)):
        yield from enumerate(item)
    elif tf.is_tensor(item):  # ragged, sparse and other tensors that are made of several
        yield from enumerate(tf.nest.flatten(item, expand_composites=True))
    elif dataclasses.is_dataclass(item):
        yield from ((field.name, getattr(item, field.name)) for field in dataclasses.fields(item))
    elif hasattr(type(item), "__attrs_attrs__"):
        yield from ((field.name, getattr(item, field.name)) for field in type(item).__attrs_attrs__)


def arrays(outputs: Any) -> Outputs:
    """The bits of all outputs."""
    return {path: item if isinstance(item, np.ndarray) else bits(tensor(item)) for path, item in flat(outputs)}


def tensor(item: Any) -> Any:
    """The tensor of a tensor or variable."""
    return tf.convert_to_tensor(item) if is_weight(item) else item


def loss_of(outputs: Any) -> Any | None:
    """The mean of the squares of each float output, summed; ``None`` where there is none."""
    found = [tensor(item) for _, item in flat(outputs) if not isinstance(item, np.ndarray)]
    floats = [item for item in found if item.dtype.is_floating and item.shape.num_elements() != 0]
    terms = [tf.reduce_mean(tf.square(tf.cast(item, tf.float32))) for item in floats]
    return tf.add_n(terms) if terms else None


def rebuilding(call: Call) -> tuple[list[Any], Callable[[list[Any]], Call]]:
    """The tensors of a call, and how to put others in their places."""
    found: list[Any] = []

    def note(leaf: Any) -> Any:
        if isinstance(leaf, tf.Tensor):
            found.append(leaf)
        return leaf

    call.map(note)

    def again(others: list[Any]) -> Call:
        rest = iter(others)
        return call.map(lambda leaf: next(rest) if isinstance(leaf, tf.Tensor) else leaf)

    return found, again


@contextmanager
def explicit() -> Iterator[None]:
    """A scope in which what is on another device is not copied over: TensorFlow does so in silence, at every pass."""
    policy = tf.config.experimental.get_device_policy()
    tf.config.experimental.set_device_policy("explicit")
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if "conflicting devices" not in str(error):
            raise
        raise CopiedInSilence("computes with memory of another device, which is copied over at every pass") from error
    finally:
        tf.config.experimental.set_device_policy(policy)
