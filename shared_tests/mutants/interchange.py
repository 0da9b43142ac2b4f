"""Defects of what is handed to other frameworks."""

from __future__ import annotations

import numpy as np

from constate.backend import Handle
from constate.state import Array
from mutants.planting import Base, mutant


@mutant("X02", module="frozen_linear")
def outputs_are_off(base: Base) -> Base:
    class Mutated(base):
        def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
            outputs, handle = super().forward(handle, *inputs, training=training)
            return outputs * np.float32(1.001), handle

    return Mutated
