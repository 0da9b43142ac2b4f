"""A linear map that is not trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from constate.catalog.reference import Reference, State
from constate.state import Array, Entry, Kind


@dataclass(frozen=True)
class FrozenLinear(Reference):
    """``x @ kernel + bias`` for ``x`` float ``[batch, in_features]``, with a fixed ``kernel`` and ``bias`` that are
    drawn at random when the module is made, and saved."""

    name = "frozen_linear"
    title = "Frozen linear map"
    source = (
        "A fixed weight, as in torch.nn.Module.register_buffer, https://docs.pytorch.org/docs/stable/notes/modules.html"
    )
    bound = 1e-5
    bfloat16_bound = 0.15

    in_features: int = 16
    out_features: int = 32

    @classmethod
    def large(cls) -> Self:
        return cls(in_features=64, out_features=512)

    def entries(self) -> tuple[Entry, ...]:
        return (
            Entry("kernel", Kind.CONSTANT, (self.in_features, self.out_features), "float32"),
            Entry("bias", Kind.CONSTANT, (self.out_features,), "float32"),
        )

    def inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        return (rng.standard_normal((4, self.in_features)).astype(np.float32),)

    def initial_state(self, rng: np.random.Generator) -> State:
        scale = 1 / np.sqrt(self.in_features)
        return self.in_dtypes(
            {
                "kernel": scale * rng.standard_normal((self.in_features, self.out_features)),
                "bias": rng.standard_normal(self.out_features),
            }
        )

    def apply(self, state: State, inputs: tuple[Array, ...], training: bool) -> tuple[Array, State]:
        x = inputs[0].astype(np.float64)
        return x @ state["kernel"].astype(np.float64) + state["bias"].astype(np.float64), dict(state)
