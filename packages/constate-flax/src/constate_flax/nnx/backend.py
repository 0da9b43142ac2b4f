"""The NNX backend in both flavours: Flax NNX as it is, and with the verbs of this package in their places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flax import nnx

from constate.backend import Backend, Optimizer, Scope, Spec
from constate.state import Array, Kind, dtype_named
from constate_flax import arrays
from constate_flax.nnx import verbs
from constate_flax.nnx.native import Native
from constate_flax.nnx.policies import KINDS
from constate_flax.nnx.state import Derived
from constate_flax.nnx.tree import leaves


class Right(Native):
    """Flax NNX with the verbs that it gets wrong put right."""

    flavour = "constate"

    def listing(self, handle: nnx.Module) -> list[str]:
        return list(leaves(handle, nnx.Not(Derived)))

    def optimizer(self, handle: nnx.Module, name: Optimizer, scope: Scope) -> nnx.Optimizer[Any]:
        wrt = nnx.Param if scope == "trainable" else nnx.Variable
        return verbs.optimizer(handle, arrays.OPTIMIZERS[name](), wrt=wrt)

    def formats(self) -> dict[str, str]:
        return {"constate": ".safetensors"}

    @property
    def exchange_format(self) -> str | None:
        return "constate"

    def save(self, handle: nnx.Module, path: Path, format: str) -> None:
        verbs.save(handle, path)

    def load(self, handle: nnx.Module, path: Path, format: str, spec: Spec | None = None) -> nnx.Module:
        return verbs.load(handle, path, build=spec.factory if spec else None)

    def stored(self, path: Path, format: str) -> list[Array]:
        return super().stored(path, "safetensors")

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle", "copy")

    def copy(self, handle: nnx.Module, how: str) -> nnx.Module:
        return verbs.copy(handle) if how == "copy" else super().copy(handle, how)

    def cast(self, handle: nnx.Module, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> nnx.Module:
        return verbs.cast(handle, dtype_named(dtype), keep=keep)

    def register(
        self, handle: nnx.Module, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> nnx.Module:
        return verbs.register(handle, name, value, KINDS[kind], replace=replace)

    def assign(self, handle: nnx.Module, path: str, value: Any) -> nnx.Module:
        return verbs.assign(handle, path, value)


FLAVOURS: dict[str, type[Backend]] = {"native": Native, "constate": Right}
