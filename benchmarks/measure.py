"""Timing that can be believed: peers interleaved in random order, ratios paired by round."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

WARMUP = 3


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios with a 95 % bootstrap interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def interleave(cases: Mapping[str, Callable[[], object]], rounds: int, seed: int = 0) -> dict[str, list[float]]:
    """Seconds of each case in each round. In every round each case runs once, in a new random order; the first
    ``WARMUP`` rounds are thrown away."""
    order = random.Random(seed)
    samples: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    gc.collect()
    gc.disable()
    try:
        for turn in range(WARMUP + rounds):
            order.shuffle(names)
            for name in names:
                begun = time.perf_counter()
                cases[name]()
                seconds = time.perf_counter() - begun
                if turn >= WARMUP:
                    samples[name].append(seconds)
    finally:
        gc.enable()
    return samples


def ratio(case: Sequence[float], floor: Sequence[float], seed: int = 0) -> Ratio:
    """How much longer a case takes than the floor, round by round."""
    paired = [a / b for a, b in zip(case, floor, strict=True)]
    draw = random.Random(seed)
    medians = sorted(statistics.median(draw.choices(paired, k=len(paired))) for _ in range(1000))
    return Ratio(statistics.median(paired), medians[25], medians[974])
