"""Why a layer cannot be made again of its configuration, which is how Keras copies it."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import keras

from constate_keras.rebuilding import again
from constate_keras.walk import children, names

PLAIN = (str, int, float, bool, type(None))
"""The types of constructor arguments from which Keras makes a configuration itself."""


def hindrance(layer: keras.Layer) -> str:
    """The innermost layer that cannot be made again, with the attribute that keeps the constructor argument to blame;
    or else one that is built by the call of the layer that it is in, and by nothing else; empty where there is none."""
    if not _can(layer):
        path, layer = _innermost(layer, lambda inner: not _can(inner))
        argument = _argument(layer)
        return (f"{path}.{argument}" if argument else path).removeprefix(".")
    path, layer = _innermost(layer, lambda inner: bool(_left(inner)))
    left = _left(layer)
    return f"{path}.{left}".removeprefix(".") if left else ""


def _innermost(layer: keras.Layer, wanted: Callable[[keras.Layer], bool]) -> tuple[str, keras.Layer]:
    path = ""
    while True:
        inner = children(layer)
        inside = next(((child, name) for child, name in zip(inner, names(inner), strict=True) if wanted(child)), None)
        if inside is None:
            return path, layer
        layer, path = inside[0], f"{path}.{inside[1]}"


def _can(layer: keras.Layer) -> bool:
    try:
        if isinstance(layer, keras.Function | keras.Sequential):
            return all(map(_can, children(layer)))
        again(layer)
    except Exception:
        return False
    return True


def _left(layer: keras.Layer) -> str:
    """The first layer within that is built, and is not where only the configuration builds it; empty for none."""
    if isinstance(layer, keras.Function | keras.Sequential) or not layer.built:
        return ""
    made = again(layer)
    made.build_from_config(layer.get_build_config())
    pairs = zip(children(layer), children(made), names(children(layer)), strict=False)
    return next((name for ours, theirs, name in pairs if ours.built and not theirs.built), "")


def _argument(layer: keras.Layer) -> str:
    """The first constructor argument that the layer keeps under its name and of which Keras makes no configuration."""
    own = object.__getattribute__(layer, "__dict__")
    for name in list(inspect.signature(type(layer).__init__).parameters)[1:]:
        if name in own and not all(isinstance(leaf, PLAIN) for leaf in keras.tree.flatten(own[name])):
            return name
    return ""
