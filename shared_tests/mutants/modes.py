"""Defects of what a pass moves."""

from __future__ import annotations

import numpy as np

from constate.backend import Handle
from constate.state import Array
from mutants.planting import Base, mutant, spoil


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
