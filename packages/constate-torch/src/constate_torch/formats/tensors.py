"""Tensors that are described and not read: their form, and their bits from the bytes of their storage."""

from __future__ import annotations

import math
import sys

import numpy as np
import torch
from torch import Tensor

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate.state import Array, dtype_named
from constate_torch.arrays import BY_NAME

EXTRA = ("complex128", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
DTYPES: dict[str, torch.dtype] = BY_NAME | {name: getattr(torch, name) for name in EXTRA if hasattr(torch, name)}
"""The torch dtypes that NumPy and ``ml_dtypes`` have too, by their names there."""
DIMENSIONS = 64
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def form(where: str, tensor: Tensor) -> Form:
    """What is known of a tensor. Raises ``CheckpointError`` unless it is its bits and nothing more."""
    if tensor.dtype not in NAMES or tensor.layout is not torch.strided:
        raise CheckpointError(f"{where}: found {tensor.dtype}, {tensor.layout}, which NumPy has not; expected dense "
                              f"{', '.join(DTYPES)}")  # fmt: skip
    return possible(where, Form(tuple(tensor.shape), NAMES[tensor.dtype]))


def possible(where: str, form: Form) -> Form:
    """The form. Raises ``CheckpointError`` where NumPy has no array of it, for instance an empty one of 2**62 rows."""
    itemsize = dtype_named(form.dtype).itemsize
    if len(form.shape) > DIMENSIONS or math.prod(size for size in form.shape if size) * itemsize > sys.maxsize:
        raise CheckpointError(f"{where}: there can be no array {form.dtype}{list(form.shape)}")
    return form


def span(tensor: Tensor) -> tuple[int, int]:
    """The first byte of a tensor in its storage, and the one after the last."""
    first = int(tensor.storage_offset()) * tensor.itemsize
    if not tensor.numel():
        return first, first
    steps = sum((size - 1) * int(stride) for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return first, first + (steps + 1) * tensor.itemsize


def array(tensor: Tensor, memory: Array) -> Array:
    """The bits of a tensor in the order of its indices.

    Args:
        tensor: one without memory, which gives the form, the strides, and whether it is a conjugate or a negative.
        memory: bytes, those of its span; the array may be a view of them.
    """
    dtype = dtype_named(NAMES[tensor.dtype])
    strides = [stride * dtype.itemsize for stride in tensor.stride()]
    found: Array = np.ndarray(tuple(tensor.shape), dtype, memory, strides=strides)
    if tensor.is_conj():
        found = np.conjugate(found)
    if tensor.is_neg():
        found = np.negative(found)
    return np.ascontiguousarray(found).reshape(tensor.shape)


def tensor(array: Array) -> Tensor:
    """A tensor with the bits of an array, which shares its memory where that is contiguous and can be written to:
    PyTorch has no other tensors."""
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return (
        torch.from_numpy(raw if raw.flags.writeable else raw.copy()).view(DTYPES[str(array.dtype)]).reshape(array.shape)
    )


def require_writable(forms: dict[str, Form]) -> None:
    """Raises ``CheckpointError`` where PyTorch has no such dtype, or two names become one."""
    seen: dict[str, str] = {}
    for name, (_, dtype) in forms.items():
        if dtype not in DTYPES:
            raise CheckpointError(f"{name}: dtype {dtype} cannot be stored; expected one of {', '.join(DTYPES)}")
        if (other := seen.setdefault(dotted(name), name)) != name:
            raise CheckpointError(f"{name}: would have the same name as {other} in PyTorch, {dotted(name)!r}")


def dotted(name: str) -> str:
    """A canonical name as PyTorch writes it."""
    return name.replace("/", ".")
