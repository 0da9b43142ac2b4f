"""Calls of layers and models: arguments and outputs of any structure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from constate.instruments.inputs import Call, Drawn, Inputs

UNKNOWN = 8
"""The size of a dimension of which a model says nothing, but for the first."""


def invoke(module: Any, call: Call, training: bool) -> Any:
    """The outputs. A functional model takes several inputs as a list, or by name as a dict; a subclassed one, and a
    layer, as arguments."""
    args, kwargs = call.args, dict(call.kwargs)
    if isinstance(module, keras.Function | keras.Sequential):
        inputs = {name: kwargs.pop(name) for name in list(kwargs) if name not in ("mask", "training")}
        if inputs and not args:
            args = (inputs,)
        elif len(args) > 1:
            args = (list(args),)
    return module(*args, **{**kwargs, "training": training})


def inferred(module: Any) -> Iterator[Inputs]:
    """The inputs that a built model knows, or the ones that it may have been built on, the likeliest first."""
    if isinstance(module, keras.Function | keras.Sequential):
        if module.built and (form := _form(module.input if isinstance(module, keras.Function) else module.inputs[0])):
            yield Inputs(Call(form))
    elif isinstance(module, keras.Layer) and module.built:
        config = module.get_build_config() or {}
        shapes = config.get("shapes_dict") or {"input_shape": config.get("input_shape")}
        if all(_is_shape(shape) for shape in shapes.values()):
            for dtype in (module.compute_dtype, "int32"):
                given = {name.removesuffix("_shape"): _drawn(shape, dtype) for name, shape in shapes.items()}
                yield Inputs(Call(tuple(given.values())))


def _form(struct: Any) -> tuple[Any, ...]:
    leaves = keras.tree.flatten(struct)
    if any(leaf.dtype == "string" for leaf in leaves):
        return ()
    return (keras.tree.map_structure(lambda leaf: _drawn(leaf.shape, leaf.dtype), struct),)


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, (tuple, list)) and all(size is None or isinstance(size, int) for size in shape)


def _drawn(shape: Any, dtype: str) -> Drawn:
    sizes = tuple((UNKNOWN if index else 2) if size is None else size for index, size in enumerate(shape))
    return Drawn(dtype, sizes)


def flat(outputs: Any, parts: Callable[[Any], list[Any] | None]) -> Iterator[tuple[str, Any]]:
    """Every array in outputs of any structure, by its path in them. ``parts``: the arrays of an array of the engine,
    several where it is ragged or sparse; ``None`` for anything else."""
    seen: set[int] = set()

    def visit(path: str, item: Any) -> Iterator[tuple[str, Any]]:
        found = [item] if isinstance(item, np.ndarray) else parts(item)
        if found is not None:
            for index, part in enumerate(found):
                yield f"{path}/{index}".removeprefix("/") if len(found) > 1 else path, part
        elif id(item) not in seen and not isinstance(item, (str, bytes, keras.Layer)):
            seen.add(id(item))
            for name, part in _within(item):
                yield from visit(f"{path}/{name}".removeprefix("/"), part)

    yield from visit("", outputs)


def _within(item: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(item, Mapping):
        yield from item.items()
    elif isinstance(item, (list, tuple)):
        yield from enumerate(item)
    elif dataclasses.is_dataclass(item):
        yield from ((field.name, getattr(item, field.name)) for field in dataclasses.fields(item))


def rebuilding(call: Call, is_tensor: Callable[[Any], bool]) -> tuple[list[Any], Callable[[list[Any]], Call]]:
    """The tensors of a call, and how to put others in their places."""
    found: list[Any] = []

    def note(leaf: Any) -> Any:
        if is_tensor(leaf):
            found.append(leaf)
        return leaf

    call.map(note)

    def again(others: list[Any]) -> Call:
        rest = iter(others)
        return call.map(lambda leaf: next(rest) if is_tensor(leaf) else leaf)

    return found, again
