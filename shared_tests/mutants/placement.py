"""Defects of moving and casting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

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


class _Parting:
    """Knows how to build a module in which nothing is shared, under the same names."""

    def shared(self, spec: Spec, names: Mapping[str, str]) -> Spec:
        self.whole, self.names = spec, names
        return super().shared(spec, names)  # type: ignore[misc]

    def parted(self, device: str | None = None) -> Handle:
        handle = self.build(self.whole, device=device)  # type: ignore[attr-defined]
        for path, name in self.names.items():
            value = np.zeros(self.entries(handle)[path].shape, np.float32)  # type: ignore[attr-defined]
            handle = self.register(handle, name, value)  # type: ignore[attr-defined]
        return handle


@mutant("D06", module="batch_norm")
def a_move_parts_what_is_shared(base: Base) -> Base:
    class Mutated(_Parting, base):
        def move(self, handle: Handle, device: str, spec: Spec) -> Handle:
            return self.parted(device)

    return Mutated


@mutant("D06", module="batch_norm")
def a_cast_parts_what_is_shared(base: Base) -> Base:
    class Mutated(_Parting, base):
        def cast(self, handle: Handle, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> Handle:
            return self.parted()

    return Mutated


@mutant("D06", module="frozen_linear")
def a_move_loses_the_second_place(base: Base) -> Base:
    class Mutated(_Parting, base):
        def move(self, handle: Handle, device: str, spec: Spec) -> Handle:
            return self.build(self.whole, device=device)

    return Mutated


@mutant("D02", module="frozen_linear")
def a_helper_keeps_an_array(base: Base) -> Base:
    return _with_module(base, "StrayLinear")
