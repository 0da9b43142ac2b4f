"""Replicas of a model on several devices, kept in step by ``tf.distribute.MirroredStrategy``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from constate.backend import REPLICAS, shares
from constate.errors import UsageError
from constate.state import Array
from constate_keras.walk import variables


def strategy() -> Any:
    """One for ``REPLICAS`` devices.

    Raises:
        UsageError: there are not so many.
    """
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    if len(devices) < REPLICAS:
        raise UsageError(f"found {len(devices)} logical CPU, expected {REPLICAS}; use a process in which none has run")
    # Collectives between devices of one process are numbered, and a second strategy begins with the same numbers.
    return tf.distribute.MirroredStrategy(devices[:REPLICAS], tf.distribute.ReductionToOneDevice())


def run(engine: Any, step: Callable[..., None], batches: Sequence[tuple[Array, ...]]) -> None:
    """The step on the parts of every batch, as one program."""
    program = tf.function(lambda inputs: engine.run(step, args=inputs))
    for batch in batches:
        by_input = list(zip(*shares(batch), strict=True))
        program(tuple(_value(engine, parts) for parts in by_input))


def _value(engine: Any, parts: tuple[Array, ...]) -> Any:
    return engine.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )


def on_each(model: keras.Model) -> tuple[dict[str, Array], ...]:
    """What each replica has of every variable."""
    found = {path: variable.value.values for path, variable in variables(model).items()}
    return tuple(
        {path: np.array(arrays[number].numpy()) for path, arrays in found.items()} for number in range(REPLICAS)
    )
