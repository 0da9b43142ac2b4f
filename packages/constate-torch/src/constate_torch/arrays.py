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
_CARRIED = {
    torch.bfloat16: (torch.int16, np.dtype(ml_dtypes.bfloat16)),
    torch.float8_e4m3fn: (torch.uint8, np.dtype(ml_dtypes.float8_e4m3fn)),
    torch.float8_e5m2: (torch.uint8, np.dtype(ml_dtypes.float8_e5m2)),
}
_CARRIERS = {dtype: (np.dtype(NAMES[carrier]), original) for original, (carrier, dtype) in _CARRIED.items()}


def to_numpy(tensor: Tensor) -> Array:
    """A copy of the tensor's bits as a NumPy array."""
    return np.array(as_numpy(tensor))


def as_numpy(tensor: Tensor) -> Array:
    """The tensor's bits as a NumPy array, in the memory of the tensor where that is on the host."""
    carried = _CARRIED.get(tensor.dtype)
    if carried is None:
        array: Array = tensor.numpy(force=True)
        return array
    bits: Array = tensor.detach().view(carried[0]).numpy(force=True)
    return bits.view(carried[1])


def from_numpy(array: Array) -> Tensor:
    """A tensor with the array's bits, which shares its memory and keeps its strides."""
    carried = _CARRIERS.get(array.dtype)
    return torch.from_numpy(array) if carried is None else torch.from_numpy(array.view(carried[0])).view(carried[1])
