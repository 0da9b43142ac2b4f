"""Standardises inputs with a mean and a variance that are fitted chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from constate.catalog.reference import Reference, State
from constate.state import Array, Entry, Kind


@dataclass(frozen=True)
class InputNormalizer(Reference):
    """``(x - mean) / sqrt(variance + epsilon)`` for ``x`` float ``[batch, features]``.

    A pass in training mode first merges the chunk into the statistics by Chan's pairwise rule, then normalises with
    them; ``variance`` is the biased variance of all ``count`` rows seen so far. The statistics are pinned.
    """

    name = "input_normalizer"
    title = "Input normaliser"
    source = (
        "Chan, Golub & LeVeque 1979, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, "
        "http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf"
    )
    bound = 1e-5
    bfloat16_bound = 0.1
    statistics_bound = 1e-4

    features: int = 8
    epsilon: float = 1e-6

    @classmethod
    def large(cls) -> Self:
        return cls(features=512)

    def entries(self) -> tuple[Entry, ...]:
        return (
            Entry("mean", Kind.STATISTIC, (self.features,), "float32", cast=False),
            Entry("variance", Kind.STATISTIC, (self.features,), "float32", cast=False),
            Entry("count", Kind.COUNTER, (), "int32"),
        )

    def inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        return ((0.5 + 1.5 * rng.standard_normal((16, self.features))).astype(np.float32),)

    def initial_state(self, rng: np.random.Generator) -> State:
        return self.in_dtypes(
            {
                "mean": rng.standard_normal(self.features),
                "variance": rng.uniform(0.5, 2.0, self.features),
                "count": np.array(48),
            }
        )

    def apply(self, state: State, inputs: tuple[Array, ...], training: bool) -> tuple[Array, State]:
        x = inputs[0].astype(np.float64)
        after = dict(state)
        mean, variance = state["mean"].astype(np.float64), state["variance"].astype(np.float64)
        if training:
            old, new = int(state["count"]), len(x)
            share = new / (old + new)
            delta = x.mean(0) - mean
            variance = (1 - share) * variance + share * x.var(0) + share * (1 - share) * delta**2
            mean = mean + share * delta
            after |= {"mean": mean, "variance": variance, "count": np.array(old + new, np.int32)}
        return (x - mean) / np.sqrt(variance + self.epsilon), after
