"""The first pass makes a lock and keeps it: a module that could be copied and pickled before cannot be any more, and
evaluation workers and averaged copies fail in the middle of a run."""

from __future__ import annotations

import dataclasses
import threading

import jax
from flax import linen as nn

HAZARD: str | None = "P07"
ENTRY: str | None = "log"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class ShapeLog:
    """The shapes that have passed by, from any thread."""

    def __init__(self) -> None:
        self.shapes: set[tuple[int, ...]] = set()
        self.lock: threading.Lock | None = None

    def write(self, shape: tuple[int, ...]) -> None:
        if self.lock is None:
            self.lock = threading.Lock()
        with self.lock:
            self.shapes.add(shape)


class Logged(nn.Module):
    """A linear layer that logs what it was given."""

    features: int = 4
    log: ShapeLog = dataclasses.field(default_factory=ShapeLog)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        self.log.write(x.shape)
        return nn.Dense(self.features)(x)


def build() -> nn.Module:
    return Logged()
