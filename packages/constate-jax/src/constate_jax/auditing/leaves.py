"""The arrays of a state, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from constate.errors import Refused
from constate.state import Array
from constate_jax.arrays import is_key, like, plain, rounded, to_numpy
from constate_jax.auditing.programs import identity_of

ARRAYS = (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct)
NUMBERS = (bool, int, float, complex)
STATE = (*ARRAYS, *NUMBERS)
"""What may stand as an entry in a state."""


@dataclass(frozen=True)
class Leaf:
    """One array of the state, or its shape where it has no memory, or a Python number in its place."""

    value: Any
    trainable: bool
    owner: type
    """The class of the object that holds it."""
    name: str
    """Its name in that object."""
    identity: int
    """Equal for two exactly if a write to one is seen in the other."""


def identity_in(holder: object, number: int, value: Any) -> int:
    """The identity of the array of that number in what ``holder`` holds. JAX arrays cannot be written: an entry is
    replaced, and then in one holder only. NumPy arrays can."""
    return identity_of(value) if isinstance(value, np.ndarray) else (id(holder) << 24) + number


def form_of(value: Any) -> jax.ShapeDtypeStruct:
    """Shape and dtype in which a value crosses: a random key as its data, a Python number as JAX would take it."""
    if isinstance(value, NUMBERS) and not isinstance(value, np.generic):
        return jax.ShapeDtypeStruct((), jax.dtypes.canonicalize_dtype(type(value)))
    return plain(value)


def bits(value: Any) -> Array:
    """A copy of the bits of a value."""
    if isinstance(value, NUMBERS) and not isinstance(value, np.generic):
        return np.asarray(value, form_of(value).dtype)
    return to_numpy(value)


def unfilled(shape: Any) -> Array:
    """An array of that shape and dtype, which takes the memory of one element."""
    form = form_of(shape)
    return np.broadcast_to(np.zeros((), form.dtype), form.shape)


def alike(value: Array, old: Any) -> Any:
    """``value`` as the state holds ``old``: as a JAX or NumPy array, or as a Python number."""
    if isinstance(old, NUMBERS) and not isinstance(old, np.generic):
        return type(old)(value.item())
    return np.array(value) if isinstance(old, (np.ndarray, np.generic)) else like(value, old)


def astype(value: Any, dtype: np.dtype[Any]) -> Any:
    """``value`` in another float type, a NumPy array as one. NumPy rounds as XLA does, and compiles nothing."""
    if not isinstance(value, jax.Array):
        return value.astype(dtype) if isinstance(value, np.ndarray) else rounded(value, dtype)
    with np.errstate(all="ignore"):
        return jax.device_put(to_numpy(value).astype(dtype), place_of(value))


def place_of(array: jax.Array) -> Any:
    """Where an array was put; ``None`` where it is only because that is the default."""
    return array.sharding if array.committed else None


def inexact(value: Any) -> bool:
    """Whether a gradient can be taken by it."""
    return hasattr(value, "dtype") and not is_key(value) and bool(jnp.issubdtype(value.dtype, jnp.inexact))


def require_same(saved: Mapping[str, Array], expected: Mapping[str, jax.ShapeDtypeStruct]) -> None:
    """Raise ``Refused`` where names, shapes or dtypes differ."""
    if other := sorted(saved.keys() ^ expected.keys()):
        where = "the checkpoint has it and the module has not" if other[0] in saved else "not in the checkpoint"
        raise Refused(f"{other[0]}: {where}; found {len(saved)} entries, expected {len(expected)}")
    for path, form in expected.items():
        value = saved[path]
        if value.shape != form.shape or value.dtype != form.dtype:
            raise Refused(f"{path}: found {value.dtype}{list(value.shape)}, expected {form.dtype}{list(form.shape)}")
