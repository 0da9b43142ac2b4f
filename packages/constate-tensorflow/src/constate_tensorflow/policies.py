"""What TensorFlow tells of an entry: what is trained, and what is the state of a random generator. For what else a
variable is there it has no words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import tensorflow as tf

from constate.checkpoint import Policy
from constate.state import Kind
from constate_tensorflow.tree import Place


def policies(places: Mapping[str, Place]) -> dict[str, Policy]:
    """What is known of every entry."""
    return {path: _policy(_kind(place), place.tracked) for path, place in places.items()}


_policy = lru_cache(maxsize=64)(Policy)
"""One object for all entries of which as much is known."""


def _kind(place: Place) -> Kind | None:
    """A variable is trainable unless one says otherwise, also an integer, which nobody trains. One that is not tracked
    was made by ``state.derived``."""
    if isinstance(place.owner, tf.random.Generator):
        return Kind.RNG
    if not isinstance(place.array, tf.Variable):
        return None
    if place.array.trainable:
        return Kind.PARAMETER if place.array.dtype.is_floating or place.array.dtype.is_complex else None
    return None if place.tracked else Kind.DERIVED


def one_array(places: Mapping[str, Place]) -> list[list[str]]:
    """Those of the tracked paths that are one variable, in groups; the first path first."""
    groups: dict[int, list[str]] = {}
    for path, place in places.items():
        if place.tracked:
            groups.setdefault(id(place.array), []).append(path)
    return [group for group in groups.values() if len(group) > 1]
