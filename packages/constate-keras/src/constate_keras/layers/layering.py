"""The layers of a Keras model, and what a pass calls."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np

from constate.checkpoint import CheckpointError
from constate.errors import first_line
from constate.porting.layer import Layer
from constate.porting.layering import Called, Layering, Moments, moments
from constate_keras import verbs, walk
from constate_keras.auditing import state
from constate_keras.layers.known import layers_of

RATES = ("rate", "stddev", "dropout", "recurrent_dropout")
"""The attributes by which Keras' own layers say how much they draw."""


class KerasLayering(Layering):
    """``keras.layers``."""

    formats = ("keras-weights", "keras")
    channels_last = keras.config.image_data_format() == "channels_last"

    def layers(self, handle: keras.Layer) -> list[Layer]:
        return [layer for _, own in self._known(handle) for layer in own]

    def _known(self, handle: keras.Layer) -> Iterator[tuple[keras.Layer, list[Layer]]]:
        paths: dict[int, str] = {}
        for path, place in state.places(handle).items():
            paths.setdefault(id(place.variable), path)
        for layer in walk.layers(handle):
            variables = walk.own_variables(layer)
            if variables and all(id(variable) in paths for variable in variables):
                path = paths[id(variables[0])].rpartition("/")[0]
                own = list(layers_of(path, layer, lambda variable: paths[id(variable)]))
                if own:
                    yield layer, own

    @contextmanager
    def recorded(self, handle: keras.Layer) -> Iterator[list[Called]]:
        found: list[Called] = []
        paths = {id(layer): [each.path for each in own] for layer, own in self._known(handle)}
        for layer in walk.layers(handle):  # a cell is called once for each step: what counts is the layer that runs it
            if isinstance(layer, keras.layers.RNN) and id(layer.cell) in paths:
                paths[id(layer)] = paths.pop(id(layer.cell))
        call: Callable[..., Any] = keras.Layer.__call__

        def noted(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
            own = paths.get(id(layer))
            if own is None:
                return call(layer, *args, **kwargs)
            begin, first = len(found), _first((args, kwargs))
            shape = () if first is None else tuple(first.shape)
            found.extend(Called(path, shape if path == own[0] else (), None, None) for path in own)
            taken = _moments(first)
            given = call(layer, *args, **kwargs)
            found[begin] = replace(found[begin], taken=taken)
            if getattr(layer, "activation", None) in (None, keras.activations.linear) or isinstance(
                layer, keras.layers.RNN
            ):
                found[begin + len(own) - 1] = replace(found[begin + len(own) - 1], given=_moments(_first(given)))
            return given

        with mock.patch.object(keras.Layer, "__call__", noted):
            yield found

    @contextmanager
    def undisturbed(self, handle: keras.Layer) -> Iterator[keras.Layer]:
        with ExitStack() as stack:
            for layer in walk.layers(handle):
                for name in RATES if type(layer).__module__.startswith("keras.") else ():
                    if isinstance(vars(layer).get(name), float):
                        stack.enter_context(mock.patch.object(layer, name, 0.0))
            yield handle

    @contextmanager
    def wide(self, handle: keras.Layer) -> Iterator[keras.Layer]:
        yield self.instruments.cast(handle, "float64")

    def load(self, handle: keras.Layer, path: Path) -> keras.Layer:
        if self.format_of(path) == "constate":
            verbs.load(handle, path)
        elif not path.exists():
            raise CheckpointError(f"cannot read {path}: there is no such file")
        else:
            try:
                handle.load_weights(path)
            except Exception as error:
                raise CheckpointError(f"{path} does not fit: {first_line(error)}") from error
        return handle

    def save(self, handle: keras.Layer, path: Path) -> None:
        format = self.format_of(path)
        if format == "constate":
            verbs.save(handle, path)
            return
        suffix = ".keras" if format == "keras" else ".weights.h5"
        beside = path.with_name(f".constate-{secrets.token_hex(8)}{suffix}")
        try:
            handle.save(beside) if format == "keras" else handle.save_weights(beside)
            beside.replace(path)
        except Exception as error:
            raise CheckpointError(f"cannot write {path}: {first_line(error)}") from error
        finally:
            beside.unlink(missing_ok=True)

    def save_own(self, handle: keras.Layer, path: Path) -> None:
        verbs.save(handle, path)


def _first(tree: Any) -> Any:
    """The first array in it."""
    return next((leaf for leaf in keras.tree.flatten(tree) if hasattr(leaf, "shape")), None)


def _moments(array: Any) -> Moments | None:
    with suppress(Exception):  # one that has no values while a program is traced
        return moments(np.asarray(keras.ops.convert_to_numpy(array)))
    return None
