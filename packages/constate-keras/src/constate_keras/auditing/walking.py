"""Where else a layer may hold arrays: its attributes, without what Keras keeps there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import keras

from constate.instruments.holdings import Part, attributes
from constate_keras.walk import children, names


def parts(item: Any, is_array: Callable[[object], bool]) -> Iterator[Part] | None:
    """The parts of a layer, a metric, a seed generator."""
    if isinstance(item, keras.Layer):
        return _of_layer(item, is_array)
    if isinstance(item, keras.metrics.Metric):
        return _listed(item._variables, "variables")
    if isinstance(item, keras.random.SeedGenerator):
        return _listed([item.state], "state")
    return None


def _of_layer(layer: Any, is_array: Callable[[object], bool]) -> Iterator[Part]:
    own = own_attributes()
    foreign = type(layer).__module__.partition(".")[0] != "keras"
    for part in attributes(layer, own):
        # The settings of Keras' own layers are Keras' own business, the arrays that they hold are not.
        if not part.name.startswith("_self_") and (foreign or _has_arrays(part.value, is_array)):
            yield part
    inner = children(layer)
    for child, name in zip(inner, names(inner), strict=True):
        yield Part(f".{name}", child, _nowhere, owner=type(layer), name=name)


def _has_arrays(value: Any, is_array: Callable[[object], bool]) -> bool:
    return any(map(is_array, value if isinstance(value, (list, tuple)) else (value,)))


def _listed(variables: list[Any], name: str) -> Iterator[Part]:
    for index, variable in enumerate(variables):
        yield Part(f".{name}[{index}]", variable, _nowhere)


@lru_cache(maxsize=1)
def own_attributes() -> frozenset[str]:
    """The attributes that Keras itself keeps in a layer, a model, a functional and a sequential model."""
    slot = keras.Input((1,))
    instances = (keras.Layer(), keras.Model(), keras.Model(slot, slot), keras.Sequential([keras.layers.Identity()]))
    kept = {name for instance in instances for name in vars(instance)}
    return frozenset(kept | {"optimizer", "_optimizer", "_compile_config", "_seed_generators"})


def _nowhere(value: Any) -> None:
    raise TypeError("this place is Keras' own and cannot be written")
