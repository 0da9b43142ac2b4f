"""Defects of saving, loading, copying and building."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from constate.backend import Handle, Spec
from constate.errors import Unsupported
from constate.state import Array, Seen
from mutants.planting import Base, in_place, mutant, spoil


@mutant("P01", module="batch_norm")
def an_entry_is_not_listed(base: Base) -> Base:
    class Mutated(base):
        def entries(self, handle: Handle) -> dict[str, Seen]:
            return {path: seen for path, seen in super().entries(handle).items() if path != "mean"}

    return Mutated


@mutant("P01", module="frozen_linear")
def paths_carry_a_counter(base: Base) -> Base:
    class Mutated(base):
        made = 0

        def listing(self, handle: Handle) -> list[str]:
            type(self).made += 1
            return [f"layer_{self.made}/{name}" for name in super().listing(handle)]

    return Mutated


@mutant("P01", module="batch_norm")
def an_entry_is_listed_under_two_names(base: Base) -> Base:
    class Mutated(base):
        def listing(self, handle: Handle) -> list[str]:
            return [*super().listing(handle), "also_mean"]

    return Mutated


@mutant("P02", module="batch_norm")
def load_rounds_float32_to_float16(base: Base) -> Base:
    class Mutated(base):
        def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
            handle = super().load(handle, path, format, spec)
            for name, seen in self.entries(handle).items():
                if seen.dtype == "float32":
                    with np.errstate(over="ignore", invalid="ignore"):
                        value = self.read(handle, name).astype(np.float16).astype(np.float32)
                    handle = self.write(handle, name, value)
            return handle

    return Mutated


@mutant("P02", "P09", "X01", module="batch_norm")
def load_mangles_one_entry(base: Base) -> Base:
    class Mutated(base):
        def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
            return spoil(self, super().load(handle, path, format, spec), ["variance"])

    return Mutated


@mutant("P03", "P11", module="rotary_embedding")
def derived_entries_are_not_recomputed(base: Base) -> Base:
    class Mutated(base):
        def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
            return spoil(self, super().load(handle, path, format, spec), ["inv_freq"])

    return Mutated


@mutant("P03", module="causal_attention")
def a_derived_entry_is_in_the_file(base: Base) -> Base:
    class Mutated(base):
        def stored(self, path: Path, format: str) -> list[Array]:
            mask = np.tril(np.ones((64, 64), bool))
            return [*super().stored(path, format), mask]

    return Mutated


@mutant("P03", module="causal_attention")
def a_derived_entry_is_in_the_file_in_another_form(base: Base) -> Base:
    class Mutated(base):
        def stored(self, path: Path, format: str) -> list[Array]:
            mask = np.tril(np.ones((64, 64), np.uint8)).reshape(1, 64, 64)
            return [*super().stored(path, format), mask]

    return Mutated


@mutant("P02", "P04", "P06", "P13", module="frozen_linear")
def load_refuses_everything(base: Base) -> Base:
    class Mutated(base):
        def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
            raise ValueError("extra_entry: found float16[37] or float32[41]")

    return Mutated


@mutant("P04", "P06", "P13", module="frozen_linear")
def load_takes_what_it_can(base: Base) -> Base:
    class Mutated(base):
        def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
            try:
                return super().load(handle, path, format, spec)
            except Unsupported:
                raise
            except Exception:
                return handle

    return Mutated


@mutant("P04", "P13", module="batch_norm")
def errors_name_nothing(base: Base) -> Base:
    class Mutated(base):
        def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
            try:
                return super().load(handle, path, format, spec)
            except Unsupported:
                raise
            except Exception:
                raise ValueError("the file does not fit") from None

    return Mutated


@mutant("P05", module="batch_norm")
def a_refused_load_is_half_applied(base: Base) -> Base:
    class Mutated(base):
        def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
            try:
                return super().load(handle, path, format, spec)
            except Unsupported:
                raise
            except Exception:
                in_place(handle, spoil(self, handle, ["mean"]))
                raise

    return Mutated


@mutant("P07", module="batch_norm")
def a_copy_is_the_original(base: Base) -> Base:
    class Mutated(base):
        def copy(self, handle: Handle, how: str) -> Handle:
            return handle

    return Mutated


@mutant("P07", module="batch_norm")
def a_copy_loses_bits(base: Base) -> Base:
    class Mutated(base):
        def copy(self, handle: Handle, how: str) -> Handle:
            return spoil(self, super().copy(handle, how), ["count"])

    return Mutated


@mutant("P07", module="batch_norm")
def a_copy_computes_with_the_original(base: Base) -> Base:
    class Mutated(base):
        bound: tuple[Handle, Handle] = (None, None)

        def copy(self, handle: Handle, how: str) -> Handle:
            self.bound = super().copy(handle, how), handle
            return self.bound[0]

        def write(self, handle: Handle, path: str, value: Array) -> Handle:
            written = super().write(handle, path, value)
            in_place(handle, written)
            return written

        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            copied, original = self.bound
            source = original if handle is copied and copied is not None else handle
            return super().forward(source, *inputs, training=training)

    return Mutated


@mutant("P11", module="batch_norm")
def an_abstract_build_has_memory(base: Base) -> Base:
    class Mutated(base):
        def abstract(self, spec: Spec) -> Handle:
            return self.build(spec)

        def materialise(self, handle: Handle, spec: Spec) -> Handle:
            return handle

    return Mutated


@mutant("P12", module="batch_norm")
def keys_come_with_a_pass(base: Base) -> Base:
    class Mutated(base):
        passes = 0

        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            self.passes += training
            return super().forward(handle, *inputs, training=training)

        def listing(self, handle: Handle) -> list[str]:
            return super().listing(handle) + ["cache"] * bool(self.passes)

    return Mutated
