"""JAX arrays to NumPy and back, bit for bit, every dtype that both have; devices; optimizers."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from constate.backend import Optimizer
from constate.errors import Refused
from constate.reach import arrays_within
from constate.state import Array, name_of

HOST_DEVICES = 8
"""How many devices the host's processor is split into, so that moving and sharding can be tried on any machine."""

OPTIMIZERS: dict[Optimizer, Callable[[], optax.GradientTransformation]] = {
    "sgd": lambda: optax.sgd(0.01, momentum=0.9),
    "adam": lambda: optax.adam(0.01),
    "adamw": lambda: optax.adamw(0.01, weight_decay=0.1),
}


def split_host() -> None:
    """Make ``cpu:0`` to ``cpu:7`` of the host, unless JAX has started already: then its devices stay as they are."""
    try:
        jax.config.update("jax_num_cpu_devices", HOST_DEVICES)
    except RuntimeError:
        return


def device_name(device: jax.Device) -> str:
    """``cpu:3``."""
    return f"{device.platform}:{device.id}"


def device_named(name: str) -> jax.Device:
    """The device that ``device_name`` calls so."""
    platform, _, number = name.partition(":")
    return next(device for device in jax.devices(platform) if device.id == int(number))


def other_devices() -> tuple[str, ...]:
    """Two devices other than the default one, or fewer where there are not so many."""
    return tuple(device_name(device) for device in jax.devices() if device != jax.devices()[0])[:2]


def device_of(array: object) -> str:
    """Where an array is: ``cpu:3``, ``host`` for a NumPy array, ``none`` for a shape without memory."""
    if isinstance(array, jax.Array):
        return ",".join(sorted(map(device_name, array.devices())))
    return "host" if isinstance(array, np.ndarray) else "none"


def address_of(array: object) -> int:
    """Equal for two arrays exactly if they share memory; an array without memory is equal to itself only."""
    if isinstance(array, jax.Array):
        shards = array.block_until_ready().addressable_shards
        if array.nbytes and shards:
            return int(shards[0].data.unsafe_buffer_pointer())
    if isinstance(array, np.ndarray) and array.nbytes:
        return int(array.__array_interface__["data"][0])
    return -id(array)


def alive(module: object) -> dict[str, int]:
    """How many arrays of JAX there are and their bytes, and how many numbers the module holds beside them."""
    gc.collect()
    found = jax.live_arrays()
    numbers = sum(1 for _ in arrays_within(module, lambda item: isinstance(item, float | np.generic | np.ndarray)))
    return {"arrays": len(found), "bytes": sum(array.nbytes for array in found), "numbers": numbers}


def is_key(array: object) -> bool:
    """Whether an array is one of JAX's typed random keys, which no file format and no NumPy array holds."""
    dtype = getattr(array, "dtype", None)
    if dtype is None or isinstance(dtype, np.dtype):  # of NumPy's dtypes, which are told in less time, no key has one
        return False
    return bool(jnp.issubdtype(dtype, jax.dtypes.prng_key))


def to_numpy(array: jax.Array | Array) -> Array:
    """A copy of the bits as a NumPy array; of a random key, its data (uint32)."""
    return np.array(as_numpy(array))


def as_numpy(array: jax.Array | Array) -> Array:
    """The bits as a NumPy array, in the memory of the array where that is on the host; of a random key, its data.

    Raises:
        Refused: a part of it is in another process.
    """
    try:
        bits: Array = np.asarray(jax.random.key_data(array) if is_key(array) else array)
    except RuntimeError as error:
        # Asked only here: for each of many small arrays it would take a fourth of the time of all this.
        if not isinstance(array, jax.Array) or array.is_fully_addressable or array.is_fully_replicated:
            raise
        raise Refused(
            f"found an array of the shape {list(array.shape)} of which a part is in another process; gather it first: "
            "jax.experimental.multihost_utils.process_allgather(x, tiled=True)"
        ) from error
    return bits


def from_numpy(array: Array, device: jax.Device | jax.sharding.Sharding | None = None) -> jax.Array:
    """A JAX array with the bits of ``array``, in memory of its own.

    64-bit types stay 64-bit types: outside of its x64 mode JAX would halve them in silence.
    """
    with jax.enable_x64(True):
        # device_put may keep NumPy's memory, in which a caller could still write: hence the copy.
        placed: jax.Array = jax.device_put(np.array(array), device)
    return placed


def ordinary(array: Array) -> jax.Array:
    """What a user who calls ``jnp.asarray`` gets, 64-bit types halved outside of JAX's x64 mode."""
    return jnp.asarray(np.array(array))


def plain(value: Any) -> jax.ShapeDtypeStruct:
    """Shape and dtype of what ``to_numpy`` makes of a value: a random key crosses as its data."""
    found = jax.eval_shape(jax.random.key_data, value) if is_key(value) else value
    if not hasattr(found, "dtype"):
        found = np.asarray(found)
    return jax.ShapeDtypeStruct(found.shape, found.dtype)


def form(value: Any) -> tuple[tuple[int, ...], str]:
    """What ``plain`` says, as a checkpoint is told it."""
    found = value if isinstance(getattr(value, "dtype", None), np.dtype) else plain(value)
    return found.shape, name_of(found.dtype)


def like(value: Array, old: Any) -> Any:
    """``value`` as JAX holds ``old``: on its devices, and as a random key if that is one."""
    sharding = getattr(old, "sharding", None)
    placed = from_numpy(value, None if is_key(old) else sharding)
    if not is_key(old):
        return placed
    implementation: list[Any] = []  # asked while tracing, which a key without memory answers as well
    jax.eval_shape(lambda key: implementation.append(jax.random.key_impl(key)), old)
    return jax.device_put(jax.random.wrap_key_data(placed, impl=implementation[0]), sharding)


def rounded(value: Any, dtype: Any) -> Any:
    """``value`` in another dtype, or the shape of it where it is a shape; 64-bit types are what they say."""
    if isinstance(value, jax.ShapeDtypeStruct):
        return value.update(dtype=dtype)
    with jax.enable_x64(True):
        return jnp.asarray(value).astype(dtype)
