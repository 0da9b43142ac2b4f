"""Rotary position embedding: inverse frequencies that must stay in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from constate.catalog.reference import Reference, State
from constate.state import Array, Entry, Kind


@dataclass(frozen=True)
class RotaryEmbedding(Reference):
    """Turns the pairs ``(x[..., i], x[..., i + features / 2])`` by the angle ``position * inv_freq[i]``.

    ``x`` is float ``[batch, length, features]``, ``positions`` int32 ``[length]``. ``inv_freq`` is derived from
    ``base`` and pinned: rounded to bfloat16, the angle at position 100,000 is wrong by hundreds of radians. Angles are
    computed in float32 whatever the type of ``x``.
    """

    name = "rotary_embedding"
    title = "Rotary position embedding"
    source = "Su et al. 2021, RoFormer, section 3.2.2, https://arxiv.org/abs/2104.09864"
    bound = 5e-5
    bfloat16_bound = 0.06

    features: int = 16
    base: float = 10000.0

    @classmethod
    def large(cls) -> Self:
        return cls(features=1024)

    def entries(self) -> tuple[Entry, ...]:
        return (Entry("inv_freq", Kind.DERIVED, (self.features // 2,), "float32", persistent=False, cast=False),)

    def inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        return self._at(rng, np.array([0, 1, 2, 5, 17, 63]))

    def extreme_inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        return self._at(rng, np.array([0, 100, 4_095, 8_191, 65_535, 100_000]))

    def _at(self, rng: np.random.Generator, positions: Array) -> tuple[Array, ...]:
        x = rng.standard_normal((2, len(positions), self.features)).astype(np.float32)
        return x, positions.astype(np.int32)

    def initial_state(self, rng: np.random.Generator) -> State:
        exponents = np.arange(0, self.features, 2) / self.features
        return {"inv_freq": (self.base**-exponents).astype(np.float32)}

    def apply(self, state: State, inputs: tuple[Array, ...], training: bool) -> tuple[Array, State]:
        x, positions = inputs[0].astype(np.float64), inputs[1].astype(np.float64)
        angles = positions[:, None] * state["inv_freq"].astype(np.float64)
        first, second = np.split(x, 2, axis=-1)
        turned = first * np.cos(angles) - second * np.sin(angles), second * np.cos(angles) + first * np.sin(angles)
        return np.concatenate(turned, axis=-1), dict(state)
