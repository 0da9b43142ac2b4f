"""Sinusoidal positional encoding: a constant table added to the inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from constate.catalog.reference import Reference, State
from constate.state import Array, Entry, Kind


@dataclass(frozen=True)
class PositionalEncoding(Reference):
    """``x + table[:length]`` for ``x`` float ``[batch, length, features]``."""

    name = "positional_encoding"
    title = "Sinusoidal positional encoding"
    source = "Vaswani et al. 2017, Attention Is All You Need, section 3.5, https://arxiv.org/abs/1706.03762"
    bound = 2e-6
    bfloat16_bound = 0.05

    max_length: int = 64
    features: int = 16

    @classmethod
    def large(cls) -> Self:
        return cls(max_length=512, features=32)

    def entries(self) -> tuple[Entry, ...]:
        return (Entry("table", Kind.CONSTANT, (self.max_length, self.features), "float32"),)

    def inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        return (rng.standard_normal((2, 10, self.features)).astype(np.float32),)

    def extreme_inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        return (rng.standard_normal((2, self.max_length, self.features)).astype(np.float32),)

    def initial_state(self, rng: np.random.Generator) -> State:
        angles = np.arange(self.max_length)[:, None] / 10000 ** (np.arange(0, self.features, 2) / self.features)
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(self.max_length, self.features)
        return {"table": table.astype(np.float32)}

    def apply(self, state: State, inputs: tuple[Array, ...], training: bool) -> tuple[Array, State]:
        (x,) = inputs
        return x.astype(np.float64) + state["table"][: x.shape[1]].astype(np.float64), dict(state)
