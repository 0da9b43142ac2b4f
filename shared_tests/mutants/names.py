"""Defects of registering and assigning."""

from __future__ import annotations

from typing import Any

from constate.backend import Handle
from constate.state import Array, Kind
from mutants.planting import Base, in_place, mutant, spoil


@mutant("N01", "N02", "N03", module="causal_attention")
def register_takes_any_name(base: Base) -> Base:
    class Mutated(base):
        def register(
            self, handle: Handle, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
        ) -> Handle:
            try:
                return super().register(handle, name, value, kind=kind, replace=replace)
            except Exception:
                return handle

    return Mutated


@mutant("N01", "N02", module="causal_attention")
def register_refuses_every_name(base: Base) -> Base:
    class Mutated(base):
        def register(
            self, handle: Handle, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
        ) -> Handle:
            raise ValueError("no")

    return Mutated


@mutant("N01", "N02", module="causal_attention")
def a_refused_registration_changes_an_entry(base: Base) -> Base:
    class Mutated(base):
        def register(
            self, handle: Handle, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
        ) -> Handle:
            try:
                return super().register(handle, name, value, kind=kind, replace=replace)
            except Exception:
                in_place(handle, spoil(self, handle, ["query/kernel"]))
                raise

    return Mutated


@mutant("N04", module="batch_norm")
def assign_refuses_everything(base: Base) -> Base:
    class Mutated(base):
        def assign(self, handle: Handle, path: str, value: Any) -> Handle:
            raise ValueError("no")

    return Mutated


@mutant("N04", module="batch_norm")
def assign_takes_any_value(base: Base) -> Base:
    class Mutated(base):
        def assign(self, handle: Handle, path: str, value: Any) -> Handle:
            try:
                return super().assign(handle, path, value)
            except Exception:
                return handle

    return Mutated
