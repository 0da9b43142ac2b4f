"""Defects of what is trained."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from constate.backend import Gradients, Handle, Trained
from constate.state import Array
from mutants.planting import Base, _with_module, mutant


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


@mutant("G01", "G02", "G03", "G04", "G07", module="frozen_linear")
def a_constant_is_a_parameter(base: Base) -> Base:
    return _with_module(base, "TrainedLinear")


@mutant("G06", module="frozen_linear")
def a_module_keeps_every_batch(base: Base) -> Base:
    return _with_module(base, "HoardingLinear")


@mutant("G06", module="frozen_linear")
def a_module_keeps_every_graph(base: Base) -> Base:
    return _with_module(base, "GraphLinear")


@mutant("G06", module="frozen_linear")
def training_keeps_a_state_now_and_then(base: Base) -> Base:
    class Mutated(base):
        def train(self, handle: Handle, batches: Any, optimizer: Any, scope: Any) -> Trained:
            kept = []

            def hoarded() -> Any:
                for step, batch in enumerate(batches):
                    if step % 10 == 0:
                        small = {"in_features": 2, "out_features": 2}
                        kept.append(self.build(self.spec("frozen_linear", small, (np.zeros((1, 2), np.float32),))))
                    yield batch

            return super().train(handle, hoarded(), optimizer, scope)

    return Mutated
