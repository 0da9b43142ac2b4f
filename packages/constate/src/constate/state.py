"""The vocabulary: what an entry is, which kinds there are, and when two arrays are the same.

This file knows nothing of any framework and of nothing else in the project. Arrays are NumPy arrays;
bfloat16 and the float8 types are those of ``ml_dtypes``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

SEPARATOR = "/"
"""Stands between the levels of a canonical path: ``encoder/norm/mean``."""


class Kind(StrEnum):
    """What an entry is for. Only a ``PARAMETER`` is trained."""

    PARAMETER = "parameter"
    """Trained by the optimizer."""
    CONSTANT = "constant"
    """Never changes; saved."""
    DERIVED = "derived"
    """Computed from the configuration; not saved, computed again."""
    STATISTIC = "statistic"
    """Moved by the forward pass in training mode."""
    COUNTER = "counter"
    """An integer that counts."""
    CACHE = "cache"
    """Valid for one sequence or queue."""
    RNG = "rng"
    """The state of a random generator."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One named array of a module, as its author declares it."""

    path: str
    kind: Kind
    shape: tuple[int, ...]
    dtype: str
    persistent: bool = True
    cast: bool = True
    """Whether a cast of the module to another float type touches this entry. ``False``: pinned."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One named array of a module, as the framework itself lists it."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    trainable: bool
    """Whether it stands in the listing that the framework hands to an optimizer."""
    persistent: bool
    """Whether the framework's own way to save would write it."""
    identity: int
    """Equal for two entries exactly if they share memory."""


def dtype_named(name: str) -> np.dtype[Any]:
    """The NumPy dtype for a name such as ``float32``, ``bfloat16`` or ``float8_e4m3fn``."""
    return np.dtype(getattr(ml_dtypes, name, name))


@lru_cache(maxsize=64)
def name_of(dtype: np.dtype[Any]) -> str:
    """The name of a dtype, as ``dtype_named`` takes it. NumPy makes its own anew each time."""
    return str(dtype)


def is_float(dtype: str | np.dtype[Any]) -> bool:
    """Whether the dtype is a real floating-point type, bfloat16 and float8 included, complex excluded."""
    name = str(dtype)
    return name.startswith(("float", "bfloat"))


def aligned(nbytes: int) -> Array:
    """New bytes that begin at a multiple of 64: XLA and TensorFlow take over such memory and copy any other, and what
    is read into it goes faster."""
    memory = np.empty(nbytes + 64, np.uint8)
    begin = -memory.__array_interface__["data"][0] % 64
    return memory[begin : begin + nbytes]


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays have the same dtype, the same shape and the same bits (a NaN equals itself)."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def flip_bits(a: Array) -> Array:
    """A copy with other bits everywhere and a valid value of the dtype: booleans negated, the rest with the
    lowest bit of every element changed."""
    if a.dtype == np.bool_:
        return ~a
    raw = np.frombuffer(a.tobytes(), np.uint8).reshape(-1, a.dtype.itemsize).copy()
    raw[:, 0] ^= 1
    return np.frombuffer(raw.tobytes(), a.dtype).reshape(a.shape).copy()


def poisoned(a: Array) -> Array:
    """An array of the same shape and dtype, every byte ``0xA5`` (booleans: negated)."""
    if a.dtype == np.bool_:
        return ~a
    return np.frombuffer(b"\xa5" * a.nbytes, a.dtype).reshape(a.shape).copy()


def garbage(a: Array) -> Array:
    """An array of the same shape and dtype with large values of either sign, as memory may hold that nothing has set
    (integers: 113; booleans: negated)."""
    if a.dtype == np.bool_:
        return ~a
    if a.dtype.kind in "iu":
        return np.full(a.shape, 113, a.dtype)
    return np.resize(np.array([3.0e4, -2.0e4, 1.0e4]), a.shape).astype(a.dtype)


def describe(a: Array) -> str:
    """``float32[8, 16]``, for messages."""
    return f"{a.dtype}[{', '.join(map(str, a.shape))}]"
