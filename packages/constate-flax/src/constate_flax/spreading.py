"""Replicas on several devices of one process: state on each, inputs divided among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from constate.backend import REPLICAS
from constate.errors import UsageError
from constate.state import Array
from constate_flax.arrays import from_numpy, to_numpy


def replicated() -> NamedSharding:
    """The whole on each of ``REPLICAS`` devices.

    Raises:
        UsageError: there are not so many.
    """
    devices = jax.devices()
    if len(devices) < REPLICAS:
        raise UsageError(
            f"found {len(devices)} device, expected {REPLICAS}; set jax_num_cpu_devices before JAX is first used"
        )
    return NamedSharding(Mesh(np.array(devices[:REPLICAS]), ("batch",)), PartitionSpec())


def divided(batch: Sequence[Array]) -> list[jax.Array]:
    """The first input divided among the devices along its first axis, the others on each of them."""
    whole = replicated()
    parts = NamedSharding(whole.mesh, PartitionSpec("batch"))
    first, *others = batch
    return [from_numpy(first, parts), *(from_numpy(other, whole) for other in others)]


def on_each(arrays: Mapping[str, Any]) -> tuple[dict[str, Array], ...]:
    """What each device has of every array."""
    devices = list(replicated().mesh.devices)
    parts = {path: {part.device: part.data for part in array.addressable_shards} for path, array in arrays.items()}
    return tuple(
        {path: to_numpy(found[device]) for path, found in parts.items() if device in found} for device in devices
    )
