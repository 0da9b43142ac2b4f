"""Backends with exactly one defect each, so that every law is seen to fail.

Most defects are a verb that misbehaves, wrapped around any backend and written once for all. Where the defect lives in
the module, there is a mutant module for each framework beside this file.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from constate.backend import Backend, Compiled, Gradients, Handle, Spec, Trained
from constate.errors import Unsupported
from constate.state import Array, Kind, Seen, dtype_named, flip_bits

Base = type[Backend]


@dataclass(frozen=True)
class Mutant:
    """One planted defect."""

    law: str
    module: str
    name: str
    wrap: Callable[[Any], Any]


MUTANTS: list[Mutant] = []


def mutant(*laws: str, module: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Enter a defect that these laws have to catch on this module."""

    def enter(wrap: Callable[[Any], Any]) -> Callable[[Any], Any]:
        MUTANTS.extend(Mutant(law, module, wrap.__name__, wrap) for law in laws)
        return wrap

    return enter


def in_place(old: Handle, new: Handle) -> None:
    """Make a functional change one that the caller's own handle sees."""
    if old is not new and dataclasses.is_dataclass(old):
        for field in dataclasses.fields(old):
            object.__setattr__(old, field.name, getattr(new, field.name))


def spoil(backend: Backend, handle: Handle, paths: Sequence[str]) -> Handle:
    """Change bits of entries."""
    for path in paths:
        handle = backend.write(handle, path, flip_bits(backend.read(handle, path)))
    return handle


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


@mutant("P02", "P04", "P06", module="frozen_linear")
def load_refuses_everything(base: Base) -> Base:
    class Mutated(base):
        def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
            raise ValueError("extra_entry: found float16[37] or float32[41]")

    return Mutated


@mutant("P04", "P06", module="frozen_linear")
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


@mutant("P04", module="batch_norm")
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


@mutant("G05", module="causal_attention")
def gradients_are_cut(base: Base) -> Base:
    class Mutated(base):
        def gradients(self, handle: Handle, inputs: Any, cotangents: Array, *, training: bool = False) -> Gradients:
            found = super().gradients(handle, inputs, cotangents, training=training)
            return Gradients(found.by_path, tuple(None if g is None else g * 0 for g in found.by_input))

    return Mutated


@mutant("G03", module="batch_norm")
def training_moves_nothing(base: Base) -> Base:
    class Mutated(base):
        def train(self, handle: Handle, batches: Any, optimizer: Any, scope: Any) -> Trained:
            for batch in batches:
                _, handle = self.forward(handle, *batch, training=True)
            return Trained(handle, frozenset())

    return Mutated


@mutant("G03", module="batch_norm")
def a_parameter_is_put_back(base: Base) -> Base:
    class Mutated(base):
        def train(self, handle: Handle, batches: Any, optimizer: Any, scope: Any) -> Trained:
            before = self.read(handle, "scale")
            trained = super().train(handle, batches, optimizer, scope)
            return dataclasses.replace(trained, handle=self.write(trained.handle, "scale", before))

    return Mutated


@mutant("G07", module="batch_norm")
def freezing_does_not_end(base: Base) -> Base:
    class Mutated(base):
        def freeze(self, handle: Handle, frozen: bool) -> Handle:
            return super().freeze(handle, True)

    return Mutated


class _Wrapped:
    """A compiled module whose calls go somewhere else."""

    def __init__(self, call: Callable[..., tuple[Array, Handle]], traces: Callable[[], int]) -> None:
        self._call, self._traces = call, traces

    def __call__(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
        return self._call(handle, *inputs, training=training)

    @property
    def traces(self) -> int:
        return self._traces()


@mutant("C01", module="frozen_linear")
def the_compiled_program_is_another(base: Base) -> Base:
    class Mutated(base):
        def compile(self, handle: Handle) -> Compiled:
            inner = super().compile(handle)

            def call(handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
                outputs, handle = inner(handle, *inputs, training=training)
                return outputs + np.float32(1e-3), handle

            return _Wrapped(call, lambda: inner.traces)

    return Mutated


@mutant("C01", module="batch_norm")
def the_compiled_program_drops_state(base: Base) -> Base:
    class Mutated(base):
        def compile(self, handle: Handle) -> Compiled:
            frozen = {path: self.read(handle, path) for path in self.entries(handle)}
            inner = super().compile(handle)

            def call(handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
                outputs, handle = inner(handle, *inputs, training=training)
                for path, value in frozen.items():
                    handle = self.write(handle, path, value)
                return outputs, handle

            return _Wrapped(call, lambda: inner.traces)

    return Mutated


@mutant("C02", module="frozen_linear")
def the_state_is_baked_in(base: Base) -> Base:
    class Mutated(base):
        def compile(self, handle: Handle) -> Compiled:
            baked = {path: self.read(handle, path) for path in self.entries(handle)}
            inner = super().compile(handle)

            def call(handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
                now = {path: self.read(handle, path) for path in baked}
                for path, value in baked.items():
                    handle = self.write(handle, path, value)
                outputs, handle = inner(handle, *inputs, training=training)
                for path, value in now.items():
                    handle = self.write(handle, path, value)
                return outputs, handle

            return _Wrapped(call, lambda: inner.traces)

    return Mutated


@mutant("C03", module="frozen_linear")
def every_step_is_traced_again(base: Base) -> Base:
    class Mutated(base):
        def compile(self, handle: Handle) -> Compiled:
            made: list[Compiled] = []

            def call(handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
                made.append(base.compile(self, handle))
                return made[-1](handle, *inputs, training=training)

            return _Wrapped(call, lambda: sum(compiled.traces for compiled in made))

    return Mutated


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


@mutant("M01", "M02", module="batch_norm")
def statistics_move_in_eval_mode(base: Base) -> Base:
    class Mutated(base):
        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            outputs, handle = super().forward(handle, *inputs, training=training)
            return outputs, handle if training else spoil(self, handle, ["mean"])

    return Mutated


@mutant("M01", module="batch_norm")
def statistics_stand_still(base: Base) -> Base:
    class Mutated(base):
        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            return super().forward(handle, *inputs)

    return Mutated


@mutant("M02", module="frozen_linear")
def an_output_depends_on_its_batch(base: Base) -> Base:
    class Mutated(base):
        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            outputs, handle = super().forward(handle, *inputs, training=training)
            return outputs - outputs.mean(0, keepdims=True), handle

    return Mutated


@mutant("M02", module="frozen_linear")
def outputs_drift_with_every_pass(base: Base) -> Base:
    class Mutated(base):
        passes = 0

        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            self.passes += 1
            outputs, handle = super().forward(handle, *inputs, training=training)
            return outputs + np.float32(1e-6 * self.passes), handle

    return Mutated


@mutant("M03", module="input_normalizer")
def an_update_is_lost(base: Base) -> Base:
    class Mutated(base):
        passes = 0

        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            self.passes += training
            return super().forward(handle, *inputs, training=training and self.passes != 500)

    return Mutated


@mutant("M04", module="frozen_linear")
def a_training_pass_changes_a_constant(base: Base) -> Base:
    class Mutated(base):
        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            outputs, handle = super().forward(handle, *inputs, training=training)
            return outputs, spoil(self, handle, ["bias"]) if training else handle

    return Mutated


@mutant("M05", module="frozen_linear")
def the_first_answer_is_kept(base: Base) -> Base:
    class Mutated(base):
        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            outputs, handle = super().forward(handle, *inputs, training=training)
            answers = vars(self).setdefault("answers", {})
            key = *(seen.identity for seen in self.entries(handle).values()), outputs.shape, outputs.dtype
            return answers.setdefault(key, outputs), handle

    return Mutated


@mutant("X02", module="frozen_linear")
def outputs_are_off(base: Base) -> Base:
    class Mutated(base):
        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            outputs, handle = super().forward(handle, *inputs, training=training)
            return outputs * np.float32(1.001), handle

    return Mutated


def _with_module(base: Base, cls: str) -> Base:
    class Mutated(base):
        def module_class(self, module: str) -> type[Any]:
            found: type[Any] = getattr(importlib.import_module(f"mutants.{self.name.replace('-', '_')}"), cls)
            return found

    return Mutated


@mutant("G01", "G02", "G03", "G04", "G07", module="frozen_linear")
def a_constant_is_a_parameter(base: Base) -> Base:
    return _with_module(base, "TrainedLinear")


@mutant("C06", module="frozen_linear")
def a_constant_is_captured(base: Base) -> Base:
    return _with_module(base, "CapturedLinear")


@mutant("D02", module="frozen_linear")
def a_helper_keeps_an_array(base: Base) -> Base:
    return _with_module(base, "StrayLinear")


__all__ = ["MUTANTS", "Mutant"]
