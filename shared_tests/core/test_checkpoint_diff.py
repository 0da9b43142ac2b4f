"""What ``diff`` says of two checkpoints, with numbers worked out by hand."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from constate.checkpoint import CheckpointError
from constate.checkpoint.comparing import Difference, What, compare, diff
from constate.checkpoint.formats import Form, Reader
from constate.state import Array


class Held(Reader):
    """A checkpoint in memory, which counts how many of its arrays are in use at a time."""

    def __init__(self, state: Mapping[str, Array]) -> None:
        super().__init__(Path("held"))
        self.state, self.alive, self.most, self.reads = state, weakref.WeakSet[Kept](), 0, 0

    def entries(self) -> Mapping[str, Form]:
        return {name: Form(array.shape, str(array.dtype)) for name, array in self.state.items()}

    def read(self, name: str) -> Array:
        array = self.state[name].copy().view(Kept)
        self.alive.add(array)
        self.most, self.reads = max(self.most, len(self.alive)), self.reads + 1
        return array


class Kept(np.ndarray):
    """An array that can be referred to weakly, by identity."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def of(a: object, b: object, dtype: object = np.float32) -> Difference:
    """The difference of two arrays of these values."""
    return compare("x", np.array(a, dtype), np.array(b, dtype))  # type: ignore[call-overload]


def numbers(found: Difference) -> tuple[object, ...]:
    return found.what, found.differing, found.absolute, found.relative, found.unlike


def bits(values: list[int], dtype: object) -> Array:
    """An array of these bits."""
    return np.array(values, f"u{np.dtype(dtype).itemsize}").view(dtype)  # type: ignore[call-overload, no-any-return]


def test_every_kind_of_difference_in_order() -> None:
    one = np.ones((2, 3), np.float32)
    a = Held({"same": one, "gone": one, "shape": one, "dtype": one, "bits": one})
    b = Held({"new": one, "bits": one * 2, "dtype": one.astype(np.float64), "shape": one.T, "same": one.copy()})
    found = list(diff(a, b))
    assert [(difference.name, difference.what) for difference in found] == [
        ("same", What.EQUAL), ("gone", What.MISSING_IN_B), ("shape", What.SHAPE), ("dtype", What.DTYPE),
        ("bits", What.BITS), ("new", What.MISSING_IN_A),
    ]  # fmt: skip
    assert (found[1].a, found[1].b) == (Form((2, 3), "float32"), None)
    assert (found[2].a, found[2].b) == (Form((2, 3), "float32"), Form((3, 2), "float32"))
    assert (found[5].a, found[5].b) == (None, Form((2, 3), "float32"))
    assert a.reads == b.reads == 3, "nothing is read of entries that are missing or of another shape"


def test_one_pair_is_in_memory_at_a_time() -> None:
    state = {str(n): np.full(1000, n, np.float32) for n in range(20)}
    a, b = Held(state), Held(state)
    for _ in diff(a, b):
        gc.collect()
    assert (a.most, b.most) == (1, 1)


def test_the_numbers() -> None:
    assert numbers(of([1, 2, 4, 8], [1, 2, 5, 6])) == (What.BITS, 2, 2.0, 0.25, 0)
    assert numbers(of([0, 1], [3, 1])) == (What.BITS, 1, 3.0, 1.0, 0)
    assert numbers(of([2], [-2])) == (What.BITS, 1, 4.0, 2.0, 0)
    assert numbers(of(1.5, 1.0)) == (What.BITS, 1, 0.5, 1 / 3, 0)
    assert numbers(of([], [])) == (What.EQUAL, 0, 0.0, 0.0, 0)
    assert numbers(of([True, False], [True, True], np.bool_)) == (What.BITS, 1, 1.0, 1.0, 0)
    assert numbers(of([3 + 4j], [3 - 4j], np.complex64)) == (What.BITS, 1, 8.0, pytest.approx(1.6), 0)


def test_the_sign_of_zero_and_the_payload_of_a_nan_are_bits() -> None:
    zero = compare("x", bits([0, 0], np.float32), bits([0x80000000, 0], np.float32))
    assert numbers(zero) == (What.BITS, 1, 0.0, 0.0, 0)
    nan = compare("x", bits([0x7FC00000, 0x7FC00000], np.float32), bits([0x7FC00001, 0x7FC00000], np.float32))
    assert numbers(nan) == (What.BITS, 1, 0.0, 0.0, 0)
    assert zero.within(0)
    assert nan.within(0)


def test_what_is_not_finite() -> None:
    """It is counted, and in no largest difference."""
    assert numbers(of([math.nan, 1], [0, 2])) == (What.BITS, 2, 1.0, 0.5, 1)
    assert numbers(of([math.inf, -math.inf], [math.inf, math.inf])) == (What.BITS, 1, 0.0, 0.0, 1)
    assert numbers(of([math.inf, math.inf], [math.nan, 1e30])) == (What.BITS, 2, 0.0, 0.0, 2)
    assert numbers(of([math.nan, math.inf], [math.nan, math.inf])) == (What.EQUAL, 0, 0.0, 0.0, 0)
    assert not of([math.inf], [1]).within(1e9)


def test_a_difference_beyond_the_largest_number_is_the_largest() -> None:
    most = np.finfo(np.float64).max
    assert numbers(of([most], [-most], np.float64)) == (What.BITS, 1, most, 2.0, 0)
    least = 5e-324
    assert numbers(of([least], [0], np.float64)) == (What.BITS, 1, least, 1.0, 0)


@pytest.mark.parametrize(
    ("dtype", "a", "b", "absolute"),
    [
        (np.int64, 2**63 - 1, 2**63 - 2, 1),
        (np.int64, -(2**63), 2**63 - 1, 2**64 - 1),
        (np.int64, -(2**63), -(2**63) + 1, 1),
        (np.uint64, 2**64 - 1, 2**64 - 2, 1),
        (np.uint64, 2**64 - 1, 0, 2**64 - 1),
        (np.int8, -128, 127, 255),
        (np.uint8, 0, 255, 255),
    ],
)
def test_integers_are_exact(dtype: type, a: int, b: int, absolute: int) -> None:
    found = of([a, 5], [b, 5], dtype)
    assert (found.differing, found.absolute) == (1, float(absolute))
    assert found.relative == pytest.approx(absolute / max(abs(a), abs(b)))


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, np.float16])
def test_narrow_floats(dtype: type) -> None:
    assert numbers(of([1, 2, 3], [1, 2.5, 3], dtype)) == (What.BITS, 1, 0.5, 0.2, 0)
    assert numbers(of([1, math.nan], [1, 1], dtype)) == (What.BITS, 1, 0.0, 0.0, 1)


def test_another_dtype_is_compared_by_value() -> None:
    exact = compare("x", np.array([1, 2], np.float32), np.array([1, 2], ml_dtypes.bfloat16))
    assert numbers(exact) == (What.DTYPE, 0, 0.0, 0.0, 0)
    rounded = compare("x", np.array([1, 2.5], np.float64), np.array([1, 2], np.int32))
    assert numbers(rounded) == (What.DTYPE, 1, 0.5, 0.2, 0)
    least = compare("x", np.array([-(2**63)], np.int64), np.array([1.0]))
    assert numbers(least) == (What.DTYPE, 1, float(2**63), 1.0, 0)
    wide = compare("x", np.array([-1, 2**63 - 1], np.int64), np.array([2**64 - 1, 2**63 - 1], np.uint64))
    assert numbers(wide) == (What.DTYPE, 1, float(2**64), pytest.approx(1.0), 0)
    assert not exact.within(1), "another dtype is no matter of rounding"


def test_large_arrays_are_compared_in_pieces() -> None:
    a = np.zeros((3, 2**18), np.float32)
    b = a.copy()
    b[0, 0], b[2, -1] = 1, 3
    assert numbers(compare("x", a, b)) == (What.BITS, 2, 3.0, 1.0, 0)
    assert numbers(compare("x", a.T, b.T)) == (What.BITS, 2, 3.0, 1.0, 0)


def test_tolerance_is_relative() -> None:
    found = of([1000, 1], [1001, 1])
    assert found.within(1e-3)
    assert not found.within(1e-4)
    assert of([1], [1]).within(0)
    assert not next(diff(Held({"x": np.ones(1)}), Held({}))).within(math.inf)


def test_an_entry_that_cannot_be_read_is_no_difference() -> None:
    class Damaged(Held):
        def read(self, name: str) -> Array:
            raise CheckpointError(f"held: {name}: damaged")

    with pytest.raises(CheckpointError, match="held: x: damaged"):
        list(diff(Held({"x": np.ones(1)}), Damaged({"x": np.ones(1)})))
