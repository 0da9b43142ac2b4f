"""What a layer keeps in variables, by canonical path: weights, the states of seed generators, what metrics keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from constate_keras.walk import children, layers, names, own_variables

MOST = 200_000
"""Places of layers that a walk visits at the most: a graph of shared layers has more paths than layers."""


class Place(NamedTuple):
    """Where a variable is kept."""

    variable: keras.Variable
    holder: Any
    """The layer or metric; for one of Keras' own, the author's layer that it is in."""
    name: str
    """The attribute of the holder that leads to it, or else the name of the variable."""


class _Origin(NamedTuple):
    """The author's layer that holds one of Keras' own, and the attribute that leads to it."""

    holder: Any
    name: str


def places(root: keras.Layer) -> dict[str, Place]:
    """Every variable by path; one that is held in two places has two paths. A layer within itself is not entered
    again."""
    found: dict[str, Place] = {}
    waiting: list[tuple[str, Any, frozenset[int], _Origin | None]] = [("", root, frozenset(), None)]
    visited = 0
    while waiting and visited < MOST:
        path, item, above, origin = waiting.pop()
        visited += 1
        own, inner = _weights(item), _inner(item)
        labels = names([*own, *inner])
        attributes = _attributes(item)
        for variable, label in zip(own, labels, strict=False):
            holder, name = origin or _Origin(item, attributes.get(id(variable), label))
            found[f"{path}{label}"] = Place(variable, holder, name)
        within = above | {id(item)}
        for child, label in reversed(list(zip(inner, labels[len(own) :], strict=True))):
            if id(child) not in within:
                made_here = origin if _is_of_keras(item) else _Origin(item, attributes.get(id(child), label))
                waiting.append((f"{path}{label}/", child, within, made_here if _is_of_keras(child) else None))
    return found


def _is_of_keras(item: Any) -> bool:
    return type(item).__module__.partition(".")[0] == "keras"


def _weights(item: Any) -> list[keras.Variable]:
    return own_variables(item) if isinstance(item, keras.Layer) else list(item._variables)


def _inner(item: Any) -> list[Any]:
    """The layers of a layer, then the metrics of a layer or of a metric."""
    inner = children(item) if isinstance(item, keras.Layer) else []
    return [*inner, *(metric for metric in item._metrics if isinstance(metric, keras.metrics.Metric))]


def _attributes(item: Any) -> dict[int, str]:
    """By identity of a variable or a layer: the public attribute that leads to it, in a list or a dict too."""
    found: dict[int, str] = {}
    for name, value in object.__getattribute__(item, "__dict__").items():
        if not name.startswith("_"):
            for part in keras.tree.flatten(value) if isinstance(value, (list, tuple, dict)) else (value,):
                found.setdefault(id(part), name)
    return found


def generators(root: keras.Layer) -> Iterator[Any]:
    """The seed generators of a layer and of all within, each once."""
    seen: set[int] = set()
    for layer in layers(root):
        for generator in layer._seed_generators:
            if id(generator) not in seen:
                seen.add(id(generator))
                yield generator


def born_untrainable(root: keras.Layer) -> set[int]:
    """The identities of the variables that were made with ``trainable=False``."""
    return {id(variable) for layer in layers(root) for variable in layer._non_trainable_variables}


def unbuilt(root: keras.Layer) -> list[str]:
    """The names of the layers within that have no weights yet."""
    return [layer.name for layer in layers(root) if not layer.built]


def classes(root: keras.Layer) -> dict[str, type]:
    """The authors' classes of a layer and of all within, by name."""
    return {type(layer).__name__: type(layer) for layer in layers(root) if not _is_of_keras(layer)}


def finalize(root: keras.Layer) -> None:
    """Let layers compute again what they compute from their variables, as ``Normalization`` its mean."""
    for layer in layers(root):
        if hasattr(layer, "finalize_state") and own_variables(layer):
            layer.finalize_state()
