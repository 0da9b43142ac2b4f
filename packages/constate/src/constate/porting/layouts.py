"""The same arrays with their axes in another order: channels first in one framework, last in another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from constate.state import Array

Order = tuple[int, ...]
"""Which axis of the source each axis of the target is."""

IMAGES = range(3, 6)
"""How many axes an array has whose channels may be first or last: samples, channels, and one to three of space."""


def moved(rank: int, first: bool, last: bool) -> Order:
    """The order for channels that are first in the source if ``first``, and last in the target if ``last``."""
    axes = list(range(rank))
    if rank in IMAGES and first and last:
        axes.append(axes.pop(1))
    elif rank in IMAGES and not first and not last:
        axes.insert(1, axes.pop())
    return tuple(axes)


def orders(source: tuple[int, ...], target: tuple[int, ...], usual: Order) -> Iterator[Order]:
    """The orders that make the shape of the target of that of the source, the likeliest first: none, the usual one, and
    any where one alone does."""
    same = tuple(range(len(source)))
    likely = [order for order in (same, usual) if tuple(source[axis] for axis in order) == target]
    if len(source) == len(target) and len(source) <= 6 and not likely:
        fitting = [o for o in permutations(same) if tuple(source[axis] for axis in o) == target]
        likely = fitting[:1] if len(fitting) == 1 else []
    yield from dict.fromkeys(likely)


def ordered(array: Array, order: Order) -> Array:
    """The array with its axes in this order."""
    return np.array(np.transpose(array, order), order="C")
