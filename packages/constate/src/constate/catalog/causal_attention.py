"""Causal self-attention: a fixed mask beside trained projections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from constate.catalog.reference import Reference, State
from constate.state import Array, Entry, Kind

PROJECTIONS = ("query", "key", "value", "output")


@dataclass(frozen=True)
class CausalAttention(Reference):
    """Self-attention of ``x`` float ``[batch, length, features]`` in which position ``i`` sees ``0..i``.

    ``mask[i, j]`` is true where ``i`` may see ``j``; it is derived from ``max_length``. Kernels are ``[in, out]`` and
    have no bias; scores are divided by the square root of the head's size.
    """

    name = "causal_attention"
    title = "Causal self-attention"
    source = "Vaswani et al. 2017, Attention Is All You Need, section 3.2, https://arxiv.org/abs/1706.03762"
    bound = 1e-5
    bfloat16_bound = 0.15

    features: int = 8
    heads: int = 2
    max_length: int = 64

    @classmethod
    def large(cls) -> Self:
        return cls(features=64, heads=4, max_length=128)

    def entries(self) -> tuple[Entry, ...]:
        square = (self.features, self.features)
        kernels = tuple(Entry(f"{name}/kernel", Kind.PARAMETER, square, "float32") for name in PROJECTIONS)
        mask = Entry("mask", Kind.DERIVED, (self.max_length, self.max_length), "bool", persistent=False)
        return (*kernels, mask)

    def inputs(self, rng: np.random.Generator) -> tuple[Array, ...]:
        return (rng.standard_normal((2, 10, self.features)).astype(np.float32),)

    def initial_state(self, rng: np.random.Generator) -> State:
        scale = 1 / np.sqrt(self.features)
        kernels = {f"{n}/kernel": scale * rng.standard_normal((self.features,) * 2) for n in PROJECTIONS}
        return self.in_dtypes(kernels | {"mask": np.tril(np.ones((self.max_length,) * 2, bool))})

    def apply(self, state: State, inputs: tuple[Array, ...], training: bool) -> tuple[Array, State]:
        x = inputs[0].astype(np.float64)
        batch, length, features = x.shape
        kernel = {name: state[f"{name}/kernel"].astype(np.float64) for name in PROJECTIONS}
        heads = (batch, length, self.heads, features // self.heads)
        query, key, value = ((x @ kernel[name]).reshape(heads).swapaxes(1, 2) for name in PROJECTIONS[:3])
        scores = query @ key.swapaxes(2, 3) / np.sqrt(heads[-1])
        scores = np.where(state["mask"][:length, :length], scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        joined = (weights @ value).swapaxes(1, 2).reshape(x.shape)
        return joined @ kernel["output"], dict(state)
