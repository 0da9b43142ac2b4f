"""Making a model again with something changed, and with the values of the old one.

Keras fixes the device and dtype of a variable, and which variables a layer has, when the layer is made; so moving,
casting and adding all go this way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import keras

from constate.errors import Refused
from constate.state import Array, Kind
from constate_keras import state
from constate_keras.walk import own_variables, root, variables

_numbers = count()


def again(layer: keras.Layer) -> keras.Layer:
    """The layer made again from its configuration."""
    return type(layer).from_config(layer.get_config())


def rebuilt(model: keras.Model, make: Callable[[keras.Layer], keras.Layer], new: str | None = None) -> keras.Model:
    """A model whose layers are made again by ``make``, with the values of the old one wherever the paths agree, except
    for the path ``new``.

    Raises:
        Refused: the model has weights of its own beside those of its layers, and is functional or sequential.
    """
    if isinstance(model, keras.Function | keras.Sequential):
        if added := own_variables(model):
            raise Refused(
                f"{', '.join(variable.name for variable in added)}: added to a {type(model).__name__} model, whose "
                "configuration does not have it, so that the model cannot be made again; add it to one of its layers"
            )
        made = keras.models.clone_model(model, clone_function=make)
    else:
        made = make(model)
        made.build_from_config(model.get_build_config())
    old = variables(model)
    for path, variable in variables(made).items():
        if path in old and path != new:
            variable.assign(old[path].value)
    return made


def extended(model: keras.Model, name: Any, value: Array, kind: Kind, replace: bool = False) -> keras.Model:
    """The model with one more weight at its root.

    Keras adds no weight to a layer that is built ("All state must be created in the `__init__()` method or in the
    `build()` method"), so that the layer is made again of a subclass that adds the weight there. A functional or
    sequential model of several layers takes weights at any time.
    """
    base = root(model)
    add = functools.partial(_add, name, value, kind, replace)
    if isinstance(base, keras.Function | keras.Sequential):
        add(base)
        return model
    larger = _subclass(type(base), add, kind)
    return rebuilt(
        model,
        lambda layer: larger.from_config(layer.get_config()) if layer is base else again(layer),
        new=name if replace else None,
    )


def sharing(layer: keras.Layer, names: Mapping[str, str]) -> keras.Layer:
    """The layer made again of a subclass whose ``build`` ends with letting weights, by path, stand under further names
    as well."""

    def share(made: keras.Layer) -> None:
        found = variables(made)
        for path, name in names.items():
            setattr(made, name, found[path])

    return _subclass(type(layer), share, Kind.CONSTANT).from_config(layer.get_config())


def _add(name: Any, value: Array, kind: Kind, replace: bool, layer: keras.Layer) -> None:
    if replace and isinstance(getattr(layer, name, None), keras.Variable):
        delattr(layer, name)
    arguments: dict[str, Any] = {
        "name": name,
        "shape": value.shape,
        "dtype": str(value.dtype),
        "initializer": lambda shape, dtype: keras.ops.convert_to_tensor(value, dtype),
    }
    if kind is not Kind.DERIVED:
        weight = layer.add_weight(trainable=kind is Kind.PARAMETER, **arguments)
    elif isinstance(layer, state.Layer):
        weight = layer.add_derived(**arguments)
    else:
        raise Refused(f"{name}: a {type(layer).__name__} saves every weight that it has; add it to one of its layers")
    setattr(layer, name, weight)


def _subclass(cls: Any, add: Callable[[keras.Layer], None], kind: Kind) -> Any:
    """A class like ``cls`` that adds something when it is built, or when it is made from its configuration where it has
    no ``build`` and Keras builds it by tracing ``call``."""

    @functools.wraps(cls.build, updated=())
    def build(self: Any, *args: Any, **kwargs: Any) -> None:
        cls.build(self, *args, **kwargs)
        add(self)

    def from_config(made_of: Any, *args: Any, **kwargs: Any) -> keras.Layer:
        made = cls.from_config.__func__(made_of, *args, **kwargs)
        add(made)
        return made

    traced = getattr(cls.build, "_is_default", False)
    # The name is kept, because Keras makes the paths in its files of it; the package tells the two classes apart.
    members: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    members |= {"from_config": classmethod(from_config)} if traced else {"build": build}
    mixin = (state.Layer,) if kind is Kind.DERIVED and not issubclass(cls, state.Layer) else ()
    made = type(cls.__name__, (cls, *mixin), members)
    return keras.saving.register_keras_serializable(package=f"constate_extended_{next(_numbers)}")(made)
