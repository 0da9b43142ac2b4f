"""The variables of TensorFlow behind those of Keras, to be read and assigned many at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import keras
from keras.src.backend.common.stateless_scope import in_stateless_scope

from constate_tensorflow.arrays import assign, is_plain, read

Variable: TypeAlias = Any
"""A ``tf.Variable``: TensorFlow ships no types."""
_ASSIGN, _DIRECT = keras.Variable.assign, keras.Variable._direct_assign


def plain(variables: Iterable[keras.Variable]) -> dict[int, Variable]:
    """The TensorFlow variables behind those of Keras that are as Keras and TensorFlow made them and have memory, with
    methods of nobody else's in the place of ``assign``; by the ``id`` of Keras' variable.

    Within a ``StatelessScope`` there are none: there, a value is given to the scope. Keras has no public name that
    tells whether there is one, and to ask each variable for its value takes as long as to read that.
    """
    replaced = keras.Variable.assign is not _ASSIGN or keras.Variable._direct_assign is not _DIRECT
    if replaced or in_stateless_scope():
        return {}
    return {id(variable): inner for variable in variables if (inner := _behind(variable)) is not None}


def _behind(variable: keras.Variable) -> Variable | None:
    own = vars(variable)
    if type(variable) is not keras.Variable or "assign" in own or "_direct_assign" in own:
        return None
    inner = own.get("_value")
    return inner if is_plain(inner) else None


def form(inner: Variable) -> tuple[tuple[int, ...], str]:
    """Its shape and dtype, which Keras itself takes four times as long to tell."""
    return tuple(inner.shape.as_list()), inner.dtype.name


__all__ = ["assign", "form", "plain", "read"]
