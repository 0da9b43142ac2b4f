"""The layers of an NNX module, and what a pass calls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
from flax import nnx

from constate.porting.layer import Layer
from constate.porting.layering import Called, Layering
from constate_flax.layers import known, recurrent
from constate_flax.layers.calling import drops, in_float64, noted
from constate_flax.layers.known import Describe
from constate_flax.nnx import verbs

KNOWN: dict[type[nnx.Module], Describe] = {
    nnx.Linear: known.dense,
    nnx.LinearGeneral: known.dense_general,
    nnx.Conv: known.conv,
    nnx.ConvTranspose: known.conv_transpose,
    nnx.Embed: known.embedding,
    nnx.BatchNorm: known.batch_norm,
    nnx.LayerNorm: known.norm("layer_norm"),
    nnx.RMSNorm: known.norm("rms_norm"),
    nnx.GroupNorm: known.group_norm,
    nnx.PReLU: known.prelu,
    nnx.LSTMCell: recurrent.apart("lstm", recurrent.LSTM),
    nnx.OptimizedLSTMCell: recurrent.together("lstm", recurrent.LSTM),
    nnx.GRUCell: recurrent.together("gru", recurrent.GRU),
    nnx.SimpleCell: recurrent.simple(("dense_i", "dense_h")),
}


class NNXLayering(Layering):
    """``flax.nnx``."""

    formats = ("msgpack",)

    def layers(self, handle: nnx.Module) -> list[Layer]:
        return [layer for _, own in self._known(handle) for layer in own]

    def _known(self, handle: nnx.Module) -> Iterator[tuple[nnx.Module, list[Layer]]]:
        """The modules that are layers, those above before those within; what is in a layer is a part of it."""
        shapes = {path: entry.shape for path, entry in self.instruments.entries(handle).items()}
        within: tuple[str, ...] = ()
        for keys, module in sorted(nnx.iter_modules(handle), key=lambda item: len(item[0])):
            path = "/".join(map(str, keys))
            if within and path.startswith(within):
                continue

            def find(name: str, path: str = path) -> tuple[str, tuple[int, ...]] | None:
                place = f"{path}/{name}" if path else name
                return (place, shapes[place]) if place in shapes else None

            kind = next((kind for kind in type(module).__mro__ if kind in KNOWN), None)
            own = list(KNOWN[kind](path, module, find)) if kind else []
            if own:
                within = (*within, f"{path}/")
                yield module, own

    @contextmanager
    def recorded(self, handle: nnx.Module) -> Iterator[list[Called]]:
        found: list[Called] = []
        paths = {id(module): own[0].path for module, own in self._known(handle)}
        runners = {
            id(module): paths[id(module.cell)]
            for _, module in nnx.iter_modules(handle)
            if isinstance(module, nnx.RNN) and id(module.cell) in paths
        }
        paths |= runners
        with ExitStack() as stack:
            for kind in {type(module) for _, module in nnx.iter_modules(handle) if id(module) in paths}:
                stack.enter_context(mock.patch.object(kind, "__call__", _noting(kind.__call__, paths, found)))
            yield found

    @contextmanager
    def undisturbed(self, handle: nnx.Module) -> Iterator[nnx.Module]:
        with ExitStack() as stack:
            for _, module in nnx.iter_modules(handle):
                for name in drops(module):
                    stack.enter_context(mock.patch.object(module, name, 0.0))
            yield handle

    @contextmanager
    def wide(self, handle: nnx.Module) -> Iterator[nnx.Module]:
        with jax.enable_x64(True), ExitStack() as stack:
            cast = self.instruments.cast(nnx.clone(handle), "float64")
            for _, module in nnx.iter_modules(cast):
                for name in in_float64(module):
                    stack.enter_context(mock.patch.object(module, name, jnp.float64))
            yield cast

    def save_own(self, handle: nnx.Module, path: Path) -> None:
        verbs.save(handle, path)


def _noting(call: Callable[..., Any], paths: dict[int, str], found: list[Called]) -> Callable[..., Any]:
    @functools.wraps(call)
    def noting(module: nnx.Module, *args: Any, **kwargs: Any) -> Any:
        path = paths.get(id(module))
        bound = functools.partial(call, module)
        if path is None:
            return bound(*args, **kwargs)
        return noted(found, path, isinstance(module, nnx.RNNCellBase), bound, args, kwargs)

    return noting
