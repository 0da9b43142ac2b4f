"""Every pass appends its activations to a list that nobody empties: memory grows with every step until the process is
killed."""

from __future__ import annotations

import dataclasses

import jax
from flax import linen as nn

HAZARD: str | None = "G06"
ENTRY: str | None = "recorder"
ALSO: frozenset[str] = frozenset({"P07"})  # a compiled pass leaves a tracer in the list, which cannot be copied
INPUTS: list[str] = ["f32[8,16]"]


class Recorder:
    """Keeps activations for a plot at the end of the run."""

    def __init__(self) -> None:
        self.seen: list[jax.Array] = []

    def keep(self, activations: jax.Array) -> None:
        self.seen.append(activations)


class Mlp(nn.Module):
    """Two layers."""

    recorder: Recorder = dataclasses.field(default_factory=Recorder)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = nn.relu(nn.Dense(64)(x))
        self.recorder.keep(hidden)
        return nn.Dense(4)(hidden)


def build() -> nn.Module:
    return Mlp()
