"""Arrays made of chosen bits, and files made by hand."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from constate.state import Array

DTYPES = (
    np.float64, np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2,
    np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8, np.complex64, np.complex128,
)  # fmt: skip
"""Those of which every pattern of bits is a value."""


def array(dtype: type) -> Array:
    """Bits of every kind: in the float types there are numbers, infinities and NaNs with payloads among them."""
    size = 12 * np.dtype(dtype).itemsize
    return np.frombuffer(bytes((255 - 37 * place) % 256 for place in range(size)), dtype).reshape(3, 4)


def strided() -> Array:
    """A view that is neither row-major nor contiguous, of numbers that are all different."""
    return np.arange(48, dtype=np.int32).reshape(6, 8)[::2, 1::3].T
