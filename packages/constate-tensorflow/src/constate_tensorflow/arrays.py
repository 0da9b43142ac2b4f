"""Reading and assigning many variables at once.

TensorFlow takes longer to begin an operation, and to make a tensor, than to copy a kilobyte. What is small and alike
is therefore read by one operation, and comes from one tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import ResourceVariable

from constate.state import Array, aligned

Variable: TypeAlias = Any
"""A ``tf.Variable``: TensorFlow ships no types."""
SMALL = 4 << 10
"""Bytes up to which an array goes through a tensor that it shares with others."""
AT_ONCE = 256
"""Variables that one operation reads, or that are assigned from one tensor."""
_EAGER = tf.__internal__.EagerTensor
_ASSIGN, _VALUE = ResourceVariable.assign, ResourceVariable.value


def is_plain(variable: Variable) -> bool:
    """Whether it is TensorFlow's own and has memory, with methods of nobody else's in the place of ``assign`` and
    ``value``."""
    if type(variable) is not ResourceVariable:
        return False
    own = vars(variable)
    return (
        "assign" not in own
        and "value" not in own
        and ResourceVariable.assign is _ASSIGN
        and ResourceVariable.value is _VALUE
        and isinstance(variable.handle, _EAGER)
    )


def read(variables: Iterable[Variable]) -> dict[int, Array]:
    """The values, by the ``id`` of the variable. They are TensorFlow's memory, which stays as it is: a variable that
    is assigned gets another one."""
    found: dict[int, Array] = {}
    alike: dict[tuple[str, Any], list[Variable]] = {}
    for variable in variables:
        if is_plain(variable):
            alike.setdefault((variable.device, variable.dtype), []).append(variable)
        else:
            found[id(variable)] = _array(variable.value())
    for (_, dtype), several in alike.items():
        for part in _parts(several):
            values = _read([variable.handle for variable in part], dtype)
            found |= zip(map(id, part), map(_array, values), strict=True)
    return found


def _array(tensor: Any) -> Array:
    try:
        return np.asarray(tensor)
    except ValueError:  # a scalar of a type that only ml_dtypes has
        return np.asarray(tensor.numpy())


def _read(handles: Sequence[Any], dtype: Any) -> Sequence[Any]:
    """The tensors of variables of one device. TensorFlow has an operation for several, and no public name for it."""
    try:
        from tensorflow.python.eager import context, execute

        attributes = ("N", len(handles), "dtypes", (dtype.as_datatype_enum,) * len(handles))
        found: Sequence[Any] = execute.execute(
            "_ReadVariablesOp", len(handles), inputs=list(handles), attrs=attributes, ctx=context.context()
        )
    except Exception:  # this version or this device has none; or else the public one raises as well
        return [tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype) for handle in handles]
    return found


def assign(values: Iterable[tuple[Variable, Array]]) -> None:
    """Give plain variables values of their own shape and dtype, on their own devices. Each has memory of its own."""
    put = tf.raw_ops.AssignVariableOp
    alike: dict[tuple[Any, ...], list[tuple[Any, Array]]] = {}
    for variable, value in values:
        handle = variable.handle
        if value.nbytes > SMALL:
            put(resource=handle, value=_copied(value))
        else:
            alike.setdefault((handle.device, value.dtype, value.shape), []).append((handle, value))
    for (device, _, shape), several in alike.items():
        for part in _parts(several):
            # Cut along the first axis, they would be parts of one memory, which stays as long as the last of them.
            joined = [value for _, value in part]
            stacked = np.concatenate(joined).reshape(len(part), *shape) if shape else np.stack(joined)
            with tf.device(device):
                value = tf.constant(np.moveaxis(stacked, 0, -1))
                tensors = tf.raw_ops.Unpack(value=value, num=len(part), axis=len(shape))
            for (handle, _), tensor in zip(part, tensors, strict=True):
                put(resource=handle, value=tensor)


def _copied(array: Array) -> Array:
    """A copy that TensorFlow takes over as it is."""
    made: Array = aligned(array.nbytes).view(array.dtype).reshape(array.shape)
    np.copyto(made, array)
    return made


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[begin : begin + AT_ONCE] for begin in range(0, len(items), AT_ONCE))
