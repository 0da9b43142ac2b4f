"""JAX arrays to NumPy and back, devices, optimizers: those of constate-jax, on which Flax is built as JAX is."""

from constate_jax.arrays import (
    HOST_DEVICES,
    OPTIMIZERS,
    address_of,
    alive,
    device_name,
    device_named,
    device_of,
    from_numpy,
    is_key,
    like,
    ordinary,
    other_devices,
    plain,
    rounded,
    split_host,
    to_numpy,
)

__all__ = [
    "HOST_DEVICES",
    "OPTIMIZERS",
    "address_of",
    "alive",
    "device_name",
    "device_named",
    "device_of",
    "from_numpy",
    "is_key",
    "like",
    "ordinary",
    "other_devices",
    "plain",
    "rounded",
    "split_host",
    "to_numpy",
]
