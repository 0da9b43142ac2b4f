"""Why a layer cannot be made again of its configuration, which is how Keras copies it."""

from __future__ import annotations

import inspect

import keras

from constate_keras.rebuilding import again
from constate_keras.walk import children, names

PLAIN = (str, int, float, bool, type(None))
"""The types of constructor arguments from which Keras makes a configuration itself."""


def hindrance(layer: keras.Layer) -> str | None:
    """The innermost layer that cannot be made again, with the attribute that keeps the constructor argument to blame;
    ``None`` where each can."""
    path = ""
    if _can(layer):
        return None
    while True:
        inner = children(layer)
        inside = next(((child, name) for child, name in zip(inner, names(inner), strict=True) if not _can(child)), None)
        if inside is None:
            break
        layer, path = inside[0], f"{path}.{inside[1]}"
    argument = _argument(layer)
    return (f"{path}.{argument}" if argument else path).removeprefix(".")


def _can(layer: keras.Layer) -> bool:
    try:
        if isinstance(layer, keras.Function | keras.Sequential):
            return all(map(_can, children(layer)))
        again(layer)
    except Exception:
        return False
    return True


def _argument(layer: keras.Layer) -> str:
    """The first constructor argument that the layer keeps under its name and of which Keras makes no configuration."""
    own = object.__getattribute__(layer, "__dict__")
    for name in list(inspect.signature(type(layer).__init__).parameters)[1:]:
        if name in own and not all(isinstance(leaf, PLAIN) for leaf in keras.tree.flatten(own[name])):
            return name
    return ""
