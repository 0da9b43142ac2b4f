"""Arrays made of chosen bits, and tensors of the same bits, each by its own library."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import torch

from constate.state import Array

DTYPES: dict[str, tuple[type, torch.dtype]] = {
    "float64": (np.float64, torch.float64),
    "float32": (np.float32, torch.float32),
    "float16": (np.float16, torch.float16),
    "bfloat16": (ml_dtypes.bfloat16, torch.bfloat16),
    "float8_e4m3fn": (ml_dtypes.float8_e4m3fn, torch.float8_e4m3fn),
    "float8_e5m2": (ml_dtypes.float8_e5m2, torch.float8_e5m2),
    "float8_e4m3fnuz": (ml_dtypes.float8_e4m3fnuz, torch.float8_e4m3fnuz),
    "float8_e5m2fnuz": (ml_dtypes.float8_e5m2fnuz, torch.float8_e5m2fnuz),
    "float8_e8m0fnu": (ml_dtypes.float8_e8m0fnu, torch.float8_e8m0fnu),
    "int64": (np.int64, torch.int64),
    "int32": (np.int32, torch.int32),
    "int16": (np.int16, torch.int16),
    "int8": (np.int8, torch.int8),
    "uint64": (np.uint64, torch.uint64),
    "uint32": (np.uint32, torch.uint32),
    "uint16": (np.uint16, torch.uint16),
    "uint8": (np.uint8, torch.uint8),
    "complex64": (np.complex64, torch.complex64),
    "complex128": (np.complex128, torch.complex128),
}
"""By name: the type in NumPy and the one in PyTorch. Booleans have no free bits."""
ROWS, COLUMNS = 3, 4


def bits(name: str) -> bytes:
    """Bits of every kind: in the float types there are numbers, infinities and NaNs with payloads among them."""
    size = ROWS * COLUMNS * np.dtype(DTYPES[name][0]).itemsize
    return bytes((255 - 37 * place) % 256 for place in range(size))


def array(name: str) -> Array:
    """As NumPy has it."""
    return np.frombuffer(bits(name), DTYPES[name][0]).reshape(ROWS, COLUMNS)


def tensor(name: str) -> torch.Tensor:
    """As PyTorch has it."""
    return torch.frombuffer(bytearray(bits(name)), dtype=DTYPES[name][1]).reshape(ROWS, COLUMNS)
