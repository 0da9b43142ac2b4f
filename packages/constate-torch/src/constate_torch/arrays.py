"""Tensors to NumPy and back, bit for bit, every dtype that both have."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

from constate.state import Array

BY_NAME = {
    name: getattr(torch, name)
    for name in (
        "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int64", "int32", "int16", "int8",
        "uint64", "uint32", "uint16", "uint8", "bool", "complex64",
    )
}  # fmt: skip
"""The torch dtypes by their NumPy names."""

NAMES = {dtype: name for name, dtype in BY_NAME.items()}

# NumPy knows these by way of ml_dtypes; torch's bridge does not, so that they cross as integers of the same size.
_VIEWED = {
    "bfloat16": (ml_dtypes.bfloat16, np.int16),
    "float8_e4m3fn": (ml_dtypes.float8_e4m3fn, np.uint8),
    "float8_e5m2": (ml_dtypes.float8_e5m2, np.uint8),
}


def to_numpy(tensor: Tensor) -> Array:
    """A copy of the tensor's bits as a NumPy array."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    name = NAMES[tensor.dtype]
    if name not in _VIEWED:
        return np.array(tensor.numpy())
    dtype, carrier = _VIEWED[name]
    return np.array(tensor.view(torch.int16 if carrier is np.int16 else torch.uint8).numpy()).view(dtype)


def from_numpy(array: Array) -> Tensor:
    """A tensor with the array's bits, which shares its memory and keeps its strides."""
    name = str(array.dtype)
    if name not in _VIEWED:
        return torch.from_numpy(array)
    return torch.from_numpy(array.view(_VIEWED[name][1])).view(BY_NAME[name])
