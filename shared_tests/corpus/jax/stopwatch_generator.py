"""The first pass starts a generator that measures time, and keeps it: a module that could be copied before cannot be
deep-copied or pickled any more."""

from __future__ import annotations

import time
from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp

HAZARD: str | None = "P07"
ENTRY: str | None = "stopwatch"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,6]"]


def elapsed() -> Iterator[float]:
    start = time.perf_counter()
    while True:
        yield time.perf_counter() - start


class Stopwatch:
    """Seconds from the first pass to the latest one, for a progress line."""

    def __init__(self) -> None:
        self.ticks: Iterator[float] | None = None
        self.latest = 0.0

    def tick(self) -> None:
        if self.ticks is None:
            self.ticks = elapsed()
        self.latest = next(self.ticks)


class Timed(eqx.Module):
    """A layer that knows how long the run has taken."""

    layer: eqx.nn.Linear
    stopwatch: Stopwatch = eqx.field(static=True)

    def __init__(self, *, key: jax.Array) -> None:
        self.layer = eqx.nn.Linear(6, 3, key=key)
        self.stopwatch = Stopwatch()

    def __call__(self, x: jax.Array) -> jax.Array:
        self.stopwatch.tick()
        return jnp.tanh(jax.vmap(self.layer)(x))


def build() -> eqx.Module:
    return Timed(key=jax.random.key(0))
