"""The two flavours of the Linen backend: Linen as it is, and Linen with the verbs of this package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace as with_fields
from pathlib import Path
from typing import Any

from constate import checkpoint
from constate.backend import Backend, Optimizer, Scope, Spec
from constate.state import Array, Kind, Seen, dtype_named
from constate_flax.arrays import OPTIMIZERS
from constate_flax.linen import verbs
from constate_flax.linen.native import Native, Stepper
from constate_flax.linen.running import Handle, initial
from constate_flax.linen.state import DERIVED
from constate_flax.linen.tree import located


class Right(Native):
    """Linen, with the verbs that it gets wrong put right."""

    flavour = "constate"

    def entries(self, handle: Handle) -> dict[str, Seen]:
        saved = self.listing(handle)
        return {path: with_fields(seen, persistent=path in saved) for path, seen in super().entries(handle).items()}

    def listing(self, handle: Handle) -> list[str]:
        return [path for path, (collection, _) in located(handle.variables).items() if collection != DERIVED]

    def optimizer(self, name: Optimizer, scope: Scope) -> Stepper:
        return verbs.Optimizer(OPTIMIZERS[name]()) if scope == "careless" else super().optimizer(name, scope)

    def formats(self) -> dict[str, str]:
        return {"constate": ".safetensors"}

    @property
    def exchange_format(self) -> str | None:
        return "constate"

    def save(self, handle: Handle, path: Path, format: str) -> None:
        verbs.save(handle.variables, path)

    def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
        build = None if spec is None else lambda: initial(spec.factory(), spec.inputs, spec.seed)
        return handle.holding(verbs.load(handle.variables, path, build=build))

    def stored(self, path: Path, format: str) -> list[Array]:
        return list(checkpoint.read(path)[0].values())

    def cast(self, handle: Handle, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> Handle:
        return handle.holding(verbs.cast(handle.variables, dtype_named(dtype), keep=keep))

    def register(
        self, handle: Handle, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> Handle:
        module, variables = verbs.register(handle.module, handle.variables, name, value, kind=kind, replace=replace)
        return Handle(module, variables, handle.example)

    def assign(self, handle: Handle, path: str, value: Any) -> Handle:
        return handle.holding(verbs.assign(handle.variables, path, value))


FLAVOURS: dict[str, type[Backend]] = {"native": Native, "constate": Right}
