"""Defects of the compiled module."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from constate.backend import Compiled, Handle
from constate.state import Array
from mutants.planting import Base, _with_module, mutant


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


@mutant("C06", module="frozen_linear")
def a_constant_is_captured(base: Base) -> Base:
    return _with_module(base, "CapturedLinear")
