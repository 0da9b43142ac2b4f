"""Keras' own files, in memory, and what comes back from them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from constate.state import Array, flip_bits, is_float, same_bits
from constate_keras.auditing.state import finalize, places


def saved(layer: Any) -> bytes:
    """A ``.weights.h5`` file. ``keras.saving.save_weights`` takes a bare layer as it takes a model, so that nothing is
    wrapped around a layer, which would give it other paths and another call."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "module.weights.h5")
        keras.saving.save_weights(layer, path)
        return path.read_bytes()


def load(layer: Any, content: bytes) -> None:
    """Read such a file. Raises what Keras raises where it does not fit."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning is no refusal
        path = Path(folder, "module.weights.h5")
        path.write_bytes(content)
        keras.saving.load_weights(layer, path)


def restored(layer: Any, bits: Callable[[Any], Array]) -> list[str]:
    """The paths of the variables that a file gives back: each gets another value, is saved, overwritten and loaded. The
    layer is left as it was; one that is held in two places is named once."""
    found = places(layer)
    variables = {id(place.variable): (path, place.variable) for path, place in reversed(found.items())}
    before = {key: bits(variable) for key, (_, variable) in variables.items()}
    other = {key: _another(value) for key, value in before.items()}
    try:
        for key, (_, variable) in variables.items():
            variable.assign(other[key])
        content = saved(layer)
        for key, (_, variable) in variables.items():
            variable.assign(flip_bits(other[key]))
        load(layer, content)
        kept = {key for key, (_, variable) in variables.items() if same_bits(bits(variable), other[key])}
    finally:
        for key, (_, variable) in variables.items():
            variable.assign(before[key])
        finalize(layer)
    return [path for key, (path, _) in reversed(variables.items()) if key in kept]


def _another(value: Array) -> Array:
    """Not what the constructor makes: an update of low rank that is merged into what is saved is zero then."""
    return (value.astype(np.float64) * 0.5 + 0.25).astype(value.dtype) if is_float(value.dtype) else flip_bits(value)
