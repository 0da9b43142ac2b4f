"""Where a Keras model keeps its state: every variable by its canonical path.

Keras' own ``variable.path`` has a counter of the process in it wherever a layer was not named, so that a second
instance has other paths; the paths here are the same in every instance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import keras


def root(model: keras.Layer) -> keras.Layer:
    """The layer that a functional model is nothing but a call of, or else the model itself."""
    if isinstance(model, keras.Function) and not own_variables(model):
        layers = [layer for layer in children(model) if not isinstance(layer, keras.layers.InputLayer)]
        if len(layers) == 1:
            return layers[0]
    return model


def children(layer: keras.Layer) -> list[keras.Layer]:
    """The layers that a layer has as attributes, in lists and dicts too; of a functional model its own layers."""
    return list(layer._layers)


def own_variables(layer: keras.Layer) -> list[keras.Variable]:
    """The variables that are a layer's own, in the order in which Keras numbers them, then its generators' states."""
    weights = [*layer._trainable_variables, *layer._non_trainable_variables]
    return weights + [generator.state for generator in layer._seed_generators]


def variables(model: keras.Layer) -> dict[str, keras.Variable]:
    """Every variable by canonical path, a shared one once for each path. The outermost name is left out."""
    return {"/".join(path): variable for path, variable in _visit(root(model), (), ())}


def saved(model: keras.Layer) -> list[keras.Variable]:
    """The variables that Keras writes to a file, as every layer's ``save_own_variables`` says; of a layer that writes
    something else, such as a kernel into which it has merged a low-rank update, all."""
    found: list[keras.Variable] = []
    for layer in layers(model):
        store: dict[str, Any] = {}
        layer.save_own_variables(store)
        own = [*layer._trainable_variables, *layer._non_trainable_variables]
        written = [value for value in store.values() if isinstance(value, keras.Variable)]
        merged = len(written) < len(store)
        found += [variable for variable in own if getattr(variable, "persistent", True)] if merged else written
    return found


def persistent(model: keras.Layer, everything: Mapping[str, keras.Variable] | None = None) -> dict[str, keras.Variable]:
    """The variables that a resumed run needs, by canonical path: those that Keras saves, and the states of seed
    generators, which it does not. ``everything`` is what ``variables`` gave, where one has it."""
    wanted = {id(variable) for variable in saved(model)}
    wanted |= {id(generator.state) for layer in layers(model) for generator in layer._seed_generators}
    found = variables(model) if everything is None else everything
    return {path: variable for path, variable in found.items() if id(variable) in wanted}


def layers(model: keras.Layer) -> Iterator[keras.Layer]:
    """The model and every layer within, each once."""
    seen: set[int] = set()
    stack = [model]
    while stack:
        layer = stack.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            stack.extend(reversed(children(layer)))


def _visit(
    layer: keras.Layer, above: tuple[str, ...], outside: tuple[int, ...]
) -> Iterator[tuple[tuple[str, ...], keras.Variable]]:
    if id(layer) in outside:  # a layer that has its own parent as an attribute
        return
    own, inner = own_variables(layer), children(layer)
    labels = names([*own, *inner])
    for variable, name in zip(own, labels[: len(own)], strict=True):
        yield (*above, name), variable
    for child, name in zip(inner, labels[len(own) :], strict=True):
        yield from _visit(child, (*above, name), (*outside, id(layer)))


def names(items: Sequence[Any]) -> list[str]:
    """A name for each: the one that it was given; or where Keras made one up of the class and a counter of the
    process, one of the class and a counter that begins here."""
    taken: dict[str, None] = {}
    counts: dict[str, int] = {}
    for item in items:
        made_up, pattern = _made_up(type(item).__name__)
        name = item.name
        if counted := pattern.fullmatch(name):
            # A variable's class has another name on every Keras backend. Bidirectional prefixes the name of its layer.
            name = "variable" if isinstance(item, keras.Variable) else f"{counted[1] or ''}{made_up}"
        first, count = name, counts.get(name, 0)
        while name in taken:
            count += 1
            name = f"{first}_{count}"
        counts[first] = count
        taken[name] = None
    return list(taken)


@lru_cache(maxsize=1024)
def _made_up(class_name: str) -> tuple[str, re.Pattern[str]]:
    """What Keras makes up of the name of a class, and which names that are."""
    made_up = _snake_case(class_name)
    return made_up, re.compile(rf"(forward_|backward_)?{made_up}(_\d+)?")


def _snake_case(name: str) -> str:
    """A class name as Keras turns it into the name of an instance."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
