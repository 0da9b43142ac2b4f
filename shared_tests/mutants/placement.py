"""Defects of moving and casting."""

from __future__ import annotations

from collections.abc import Sequence

from constate.backend import Handle, Spec
from constate.state import dtype_named
from mutants.planting import Base, _with_module, mutant, spoil


@mutant("D01", module="batch_norm")
def move_stays(base: Base) -> Base:
    class Mutated(base):
        def move(self, handle: Handle, device: str, spec: Spec) -> Handle:
            return handle

    return Mutated


@mutant("D01", module="batch_norm")
def a_move_changes_an_entry(base: Base) -> Base:
    class Mutated(base):
        def move(self, handle: Handle, device: str, spec: Spec) -> Handle:
            moved = super().move(handle, device, spec)
            try:
                return spoil(self, moved, ["mean"])
            except NotImplementedError:  # a device without memory: there the form is all that can change
                return self.cast(moved, "bfloat16", spec)

    return Mutated


@mutant("D03", module="batch_norm")
def the_device_context_is_ignored(base: Base) -> Base:
    class Mutated(base):
        def build(self, spec: Spec, *, device: str | None = None) -> Handle:
            return super().build(spec)

    return Mutated


@mutant("D04", "D07", module="rotary_embedding")
def cast_touches_pinned_entries(base: Base) -> Base:
    class Mutated(base):
        def cast(self, handle: Handle, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> Handle:
            handle = super().cast(handle, dtype, spec, keep=keep)
            for path in keep:
                value = self.read(handle, path)
                handle = self.write(handle, path, value.astype(dtype_named(dtype)).astype(value.dtype))
            return handle

    return Mutated


@mutant("D04", module="frozen_linear")
def cast_casts_nothing(base: Base) -> Base:
    class Mutated(base):
        def cast(self, handle: Handle, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> Handle:
            return handle

    return Mutated


@mutant("D02", module="frozen_linear")
def a_helper_keeps_an_array(base: Base) -> Base:
    return _with_module(base, "StrayLinear")
