"""What differs between two checkpoints, entry by entry, with one pair of arrays in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from constate.checkpoint.formats import Form, Reader
from constate.state import Array, is_float

PIECE = 1 << 18
"""Elements that are compared at a time: what is computed of them takes some megabytes."""


class What(StrEnum):
    """How two entries of one name stand to each other."""

    EQUAL = "equal"
    """The same shape, dtype and bits."""
    MISSING_IN_A = "missing in A"
    MISSING_IN_B = "missing in B"
    SHAPE = "shape"
    DTYPE = "dtype"
    """The same shape and another dtype; the values are compared nevertheless."""
    BITS = "bits"
    """The same shape and dtype, and other bits somewhere."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry in two checkpoints."""

    name: str
    what: What
    a: Form | None
    b: Form | None
    differing: int = 0
    """Elements with other bits; of another dtype: with another value."""
    absolute: float = 0.0
    """The largest ``|a - b|`` of finite elements."""
    relative: float = 0.0
    """The largest ``|a - b| / max(|a|, |b|)`` of finite elements."""
    unlike: int = 0
    """Elements that no number says the distance of: a NaN or an infinity on one side and something else on the other
    (NaNs of other bits are not among them), or no numbers at all."""

    def within(self, tolerance: float) -> bool:
        """Whether the values differ by no more than this, relative to the larger: a zero's sign and the payload of a
        NaN are no values, another dtype is no matter of rounding."""
        return self.what is What.EQUAL or (self.what is What.BITS and not self.unlike and self.relative <= tolerance)


def diff(a: Reader, b: Reader) -> Iterator[Difference]:
    """Compare every entry: those of ``a`` in its order, then those that only ``b`` has.

    Raises:
        CheckpointError: an entry cannot be read.
    """
    forms, others = a.entries(), b.entries()
    for name, form in forms.items():
        other = others.get(name)
        if other is None:
            yield Difference(name, What.MISSING_IN_B, form, None)
        elif form.shape != other.shape:
            yield Difference(name, What.SHAPE, form, other)
        else:
            yield compare(name, a.read(name), b.read(name))
    for name, other in others.items():
        if name not in forms:
            yield Difference(name, What.MISSING_IN_A, None, other)


def compare(name: str, a: Array, b: Array) -> Difference:
    """Compare two arrays of one shape."""
    same = a.dtype == b.dtype
    forms = Form(a.shape, str(a.dtype)), Form(b.shape, str(b.dtype))
    differing = unlike = 0
    absolute = relative = 0.0
    a, b = np.ascontiguousarray(a).reshape(-1), np.ascontiguousarray(b).reshape(-1)
    for first in range(0, a.size, PIECE):
        one, other = a[first : first + PIECE], b[first : first + PIECE]
        if same:
            where = np.flatnonzero(_bits(one) != _bits(other))
            if not where.size:
                continue
            one, other = one[where], other[where]
            differing += where.size
        found = _Values.of(one, other)
        differing += 0 if same else found.differing
        unlike += found.unlike
        absolute, relative = max(absolute, found.absolute), max(relative, found.relative)
    what = What.DTYPE if not same else What.BITS if differing else What.EQUAL
    return Difference(name, what, *forms, differing, absolute, relative, unlike)


class _Values(NamedTuple):
    """What two flat arrays of one size differ by in value."""

    differing: int
    absolute: float
    relative: float
    unlike: int

    @classmethod
    def of(cls, a: Array, b: Array) -> _Values:
        """Compare them as the numbers that they hold, if they do."""
        wide, other = _widened(a), _widened(b)
        if wide is None or other is None:
            return cls(a.size, 0.0, 0.0, a.size)
        if {wide.dtype.kind, other.dtype.kind} <= {"i", "u"}:
            return cls(*_integers(wide, other), 0)
        return cls(*_floats(wide, other))


def _widened(a: Array) -> Array | None:
    """The same numbers in a type that NumPy computes with; ``None`` where they are no numbers."""
    if a.dtype == np.bool_:
        return a.view(np.uint8)
    if is_float(a.dtype):
        return a.astype(np.float64)
    if a.dtype.kind == "c":
        return a.astype(np.complex128)
    if a.dtype.kind in "iu":
        return a
    return a.astype(np.int8) if str(a.dtype).startswith(("int", "uint")) else None  # int4 and its like


def _integers(a: Array, b: Array) -> tuple[int, float, float]:
    """How many differ, and by how much: exact, also where float64 has not every integer."""
    (sizes, below), (others, other_below) = _magnitude(a), _magnitude(b)
    opposite = below != other_below
    apart = np.maximum(sizes, others) - np.minimum(sizes, others)
    absolute = np.where(opposite, sizes.astype(np.float64) + others, apart)
    larger = np.maximum(sizes, others).astype(np.float64)
    relative = absolute / np.where(larger > 0, larger, 1)
    return int(np.count_nonzero(absolute)), _largest(absolute), _largest(relative)


def _magnitude(a: Array) -> tuple[Array, Array]:
    below = a < 0
    whole = a.astype(np.uint64)
    return np.where(below, -whole, whole), below


def _floats(a: Array, b: Array) -> tuple[int, float, float, int]:
    """As ``_integers``, and how many have no distance."""
    a, b = (side.astype(np.float64) if side.dtype.kind in "iu" else side for side in (a, b))
    differs = (a != b) & ~(np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a) & np.isfinite(b) & differs
    one, other = a[finite], b[finite]
    larger = np.maximum(np.abs(one), np.abs(other))
    with np.errstate(over="ignore", invalid="ignore"):  # two finite numbers may be further apart than any number is
        absolute = np.abs(one - other)
        relative = np.where(np.isinf(absolute), np.abs(one / larger - other / larger), absolute / larger)
    absolute = np.minimum(absolute, np.finfo(np.float64).max)
    return int(np.count_nonzero(differs)), _largest(absolute), _largest(relative), int(np.sum(differs & ~finite))


def _largest(values: Array) -> float:
    return float(np.fmax.reduce(values, initial=0.0))


def _bits(a: Array) -> Array:
    """The elements as integers; where there is no integer of that size, as bytes of which none differs or some."""
    if a.dtype.itemsize in (1, 2, 4, 8):
        return a.view(f"u{a.dtype.itemsize}")
    return a.view(f"V{a.dtype.itemsize}")
