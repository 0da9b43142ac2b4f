"""What Keras tells of an entry: what was declared as trained, the states of random generators, and which weights of its
own layers are statistics. Of any other weight that is not trained it tells nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

import keras

from constate.checkpoint import Policy
from constate.state import Kind
from constate_keras.walk import layers

_STATISTICS = {
    keras.layers.BatchNormalization: ("moving_mean", "moving_variance"),
    keras.layers.SpectralNormalization: ("vector_u",),
}


def policies(model: keras.Layer, variables: Mapping[str, keras.Variable], saved: Collection[str]) -> dict[str, Policy]:
    """What is known of every entry. One that is frozen is a parameter still.

    Args:
        model: any built model or layer.
        variables: its entries by path.
        saved: those that are written.
    """
    kinds: dict[int, Kind] = {}
    for layer in layers(model):
        kinds.update((id(variable), Kind.PARAMETER) for variable in layer._trainable_variables)
        kinds.update((id(generator.state), Kind.RNG) for generator in layer._seed_generators)
        own = layer._non_trainable_variables
        kinds.update((id(variable), Kind.DERIVED) for variable in own if not getattr(variable, "persistent", True))
        for known, names in _STATISTICS.items():
            if isinstance(layer, known):
                kinds.update((id(variable), Kind.STATISTIC) for variable in own if variable.name in names)
    return {path: _policy(kinds.get(id(variable)), path in saved) for path, variable in variables.items()}


_policy = lru_cache(maxsize=64)(Policy)
"""One object for all entries of which as much is known."""


def one_array(variables: Mapping[str, keras.Variable]) -> list[list[str]]:
    """The paths that are one variable, in groups."""
    groups: dict[int, list[str]] = {}
    for path, variable in variables.items():
        groups.setdefault(id(variable), []).append(path)
    return [group for group in groups.values() if len(group) > 1]
