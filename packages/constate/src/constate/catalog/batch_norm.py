"""Batch normalisation over the last axis, with running statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from constate.catalog.reference import Reference, State
from constate.state import Array, Entry, Kind


@dataclass(frozen=True)
class BatchNorm(Reference):
    """Normalises ``x`` float ``[batch, features]``.

    In training mode with the statistics of the batch (variance biased), which then move the running ones:
    ``running = (1 - momentum) * running + momentum * batch``, with the unbiased variance as in the paper's
    algorithm 2. In eval mode with the running ones. The statistics are pinned: they accumulate, and an average that is
    rounded to bfloat16 at every step stands still.
    """

    name = "batch_norm"
    title = "Batch normalisation"
    source = "Ioffe & Szegedy 2015, Batch Normalization, algorithms 1 and 2, https://arxiv.org/abs/1502.03167"
    bound = 1e-5
    bfloat16_bound = 0.1
    statistics_bound = 1e-5

    features: int = 8
    momentum: float = 0.1
    epsilon: float = 1e-5

    @classmethod
    def large(cls) -> Self:
        return cls(features=512)

    def entries(self) -> tuple[Entry, ...]:
        shape = (self.features,)
        return (
            Entry("scale", Kind.PARAMETER, shape, "float32"),
            Entry("bias", Kind.PARAMETER, shape, "float32"),
            Entry("mean", Kind.STATISTIC, shape, "float32", cast=False),
            Entry("variance", Kind.STATISTIC, shape, "float32", cast=False),
            Entry("count", Kind.COUNTER, (), "int32"),
        )

    def inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        return ((0.5 + 1.5 * rng.standard_normal((16, self.features))).astype(np.float32),)

    def initial_state(self, rng: np.random.Generator) -> State:
        return self.in_dtypes(
            {
                "scale": rng.uniform(0.5, 1.5, self.features),
                "bias": rng.standard_normal(self.features),
                "mean": rng.standard_normal(self.features),
                "variance": rng.uniform(0.5, 2.0, self.features),
                "count": np.array(7),
            }
        )

    def apply(self, state: State, inputs: tuple[Array, ...], training: bool) -> tuple[Array, State]:
        x = inputs[0].astype(np.float64)
        after = dict(state)
        mean, variance = state["mean"].astype(np.float64), state["variance"].astype(np.float64)
        if training:
            keep = 1 - self.momentum
            after["mean"] = keep * mean + self.momentum * x.mean(0)
            after["variance"] = keep * variance + self.momentum * x.var(0, ddof=1)
            after["count"] = state["count"] + np.int32(1)
            mean, variance = x.mean(0), x.var(0)
        normal = (x - mean) / np.sqrt(variance + self.epsilon)
        return normal * state["scale"].astype(np.float64) + state["bias"].astype(np.float64), after
