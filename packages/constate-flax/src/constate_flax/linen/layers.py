"""The layers of a Linen module, and what a pass calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from constate.porting.layer import Layer
from constate.porting.layering import Called, Layering
from constate_flax.layers import known, recurrent
from constate_flax.layers.calling import drops, in_float64, noted
from constate_flax.layers.known import Describe
from constate_flax.linen import verbs
from constate_flax.linen.auditing.instruments import Handle
from constate_flax.linen.tree import located

KNOWN: dict[type[nn.Module], Describe] = {
    nn.Dense: known.dense,
    nn.DenseGeneral: known.dense_general,
    nn.Conv: known.conv,
    nn.ConvTranspose: known.conv_transpose,
    nn.Embed: known.embedding,
    nn.BatchNorm: known.batch_norm,
    nn.LayerNorm: known.norm("layer_norm"),
    nn.RMSNorm: known.norm("rms_norm"),
    nn.GroupNorm: known.group_norm,
    nn.PReLU: known.prelu,
    nn.LSTMCell: recurrent.apart("lstm", recurrent.LSTM),
    nn.OptimizedLSTMCell: recurrent.apart("lstm", recurrent.LSTM),
    nn.GRUCell: recurrent.apart("gru", recurrent.GRU),
    nn.SimpleCell: recurrent.simple(("i", "h")),
}


class LinenLayering(Layering):
    """``flax.linen``."""

    formats = ("msgpack",)

    def layers(self, handle: Handle) -> list[Layer]:
        shapes = {path: entry.shape for path, entry in self.instruments.entries(handle).items()}
        within: tuple[str, ...] = ()
        found: list[Layer] = []
        for keys, shell in handle.shells.items():
            path = "/".join(keys)
            if within and path.startswith(within):
                continue
            own = list(self._own(path, shell, shapes))
            if own:
                within = (*within, f"{path}/")
                found += own
        return found

    def _own(self, path: str, module: nn.Module, shapes: dict[str, tuple[int, ...]]) -> Iterator[Layer]:
        def find(name: str) -> tuple[str, tuple[int, ...]] | None:
            place = f"{path}/{name}" if path else name
            return (place, shapes[place]) if place in shapes else None

        for kind in type(module).__mro__:
            if kind in KNOWN:
                yield from KNOWN[kind](path, module, find)
                return

    @contextmanager
    def recorded(self, handle: Handle) -> Iterator[list[Called]]:
        found: list[Called] = []
        paths = {layer.path for layer in self.layers(handle)}

        def note(next_method: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
            runs = isinstance(context.module, nn.RNN)
            path = "/".join((context.module.cell if runs else context.module).path)
            if context.method_name != "__call__" or path not in paths:
                return next_method(*args, **kwargs)
            return noted(found, path, isinstance(context.module, nn.RNNCellBase), next_method, args, kwargs)

        with nn.intercept_methods(note):
            yield found

    @contextmanager
    def undisturbed(self, handle: Handle) -> Iterator[Handle]:
        def quiet(next_method: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
            for name in drops(context.module):
                object.__setattr__(context.module, name, 0.0)
            return next_method(*args, **kwargs)

        with nn.intercept_methods(quiet):
            yield handle

    def names(self, handle: Handle) -> dict[str, str]:
        found = located(handle.variables)
        return {p: p if p.startswith(f"{c}/") and c != "params" else f"{c}/{p}" for p, (c, _) in found.items()}

    @contextmanager
    def wide(self, handle: Handle) -> Iterator[Handle]:
        def widened(next_method: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
            runs = isinstance(context.module, nn.RNN)  # which lets the cell make what it begins with
            for module in (context.module, *((context.module.cell,) if runs else ())):
                for name in in_float64(module):
                    object.__setattr__(module, name, jnp.float64)
            return next_method(*args, **kwargs)

        with jax.enable_x64(True), nn.intercept_methods(widened):
            yield self.instruments.cast(handle, "float64")

    def save_own(self, handle: Handle, path: Path) -> None:
        verbs.save(handle.variables, path)
