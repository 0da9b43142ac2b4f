"""Reading and assigning many variables: at once where what Keras runs on can do so, else one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import keras
import numpy as np

from constate.state import Array

Plain: TypeAlias = Mapping[int, Any]
"""What is behind those variables that take every value of their own shape and dtype, by the ``id`` of the variable."""


def _engine() -> ModuleType | None:
    if keras.config.backend() != "tensorflow":
        return None
    from constate_keras.tensorflow import arrays

    return arrays


def plain(variables: Iterable[keras.Variable]) -> Plain:
    """Those of the variables that are, which can be read and assigned all at once."""
    engine = _engine()
    found: Plain = engine.plain(variables) if engine else {}
    return found


def forms(variables: Mapping[str, keras.Variable], inner: Plain) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shapes and dtypes, by name."""
    engine = _engine() if inner else None
    return {
        name: engine.form(inner[id(variable)])
        if engine and id(variable) in inner
        else (tuple(variable.shape), variable.dtype)
        for name, variable in variables.items()
    }


def read(variables: Sequence[keras.Variable], inner: Plain) -> dict[int, Array]:
    """The values, by the ``id`` of the variable; they stay as they are when the variable changes."""
    engine = _engine()
    values = engine.read(inner[id(variable)] for variable in variables if id(variable) in inner) if engine else {}
    return {
        id(variable): values[id(inner[id(variable)])] if id(variable) in inner else _numpy(variable)
        for variable in variables
    }


def assign(values: Iterable[tuple[keras.Variable, Array]], inner: Plain) -> None:
    """Give variables that are plain values of their own shape and dtype."""
    if engine := _engine():
        engine.assign((inner[id(variable)], value) for variable, value in values)


def _numpy(variable: keras.Variable) -> Array:
    return np.array(keras.ops.convert_to_numpy(variable.value))
