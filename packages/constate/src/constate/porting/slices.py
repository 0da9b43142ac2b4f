"""Parts of arrays as NumPy writes them, in text: ``[0:64]``, ``[1, 64:128]``, ``[::-1, ::-1]``; and
``.reshape(4, 3, 16, 64)[:, 0]`` of an array whose axes have to be taken apart first."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from constate.state import Array

_PART = re.compile(r"(?P<name>.*?)(?P<at>(?:\.reshape\([-\d,\s]+\))?\[[-\d:,\s]+\])?", re.DOTALL)
_RESHAPED = re.compile(r"\.reshape\((?P<shape>.*)\)(?P<rest>.*)", re.DOTALL)
_INDEX = re.compile(r"-?\d+")
_SLICE = re.compile(r"(-?\d+)?:(-?\d+)?(?::(-?\d+))?")


def parted(text: str) -> tuple[str, str]:
    """``weight[0:64]`` -> ``weight`` and ``[0:64]``."""
    found = _PART.fullmatch(text)
    assert found is not None
    return found["name"], found["at"] or ""


def index(at: str) -> tuple[int | slice, ...]:
    """The index that a text means. Raises ``ValueError`` where it is none."""
    found: list[int | slice] = []
    for part in at.strip("[]").split(",") if at else ():
        text = part.strip()
        if _INDEX.fullmatch(text):
            found.append(int(text))
        elif (match := _SLICE.fullmatch(text)) and match[3] != "0":
            found.append(slice(*(int(number) if number else None for number in match.groups())))
        else:
            raise ValueError(f"found the part {at}, expected one such as [0:64], [1, 64:128] or [::-1]")
    return tuple(found)


def place(at: str) -> tuple[tuple[int, ...] | None, tuple[int | slice, ...]]:
    """The shape to which an array is brought, if any, and the index in that. Raises ``ValueError`` where a text means
    none."""
    match = _RESHAPED.fullmatch(at)
    if match is None:
        return None, index(at)
    sizes = [size.strip() for size in match["shape"].split(",")]
    if not all(map(_INDEX.fullmatch, sizes)):
        raise ValueError(f"found the part {at}, expected one such as .reshape(4, 3, 16, 64)[:, 0]")
    return tuple(map(int, sizes)), index(match["rest"])


def part(array: Array, at: str) -> Array:
    """The part of an array that a text means; of an array in the order of C a view, so that it can be written to.

    Raises:
        ValueError: the text means none, or the part is not within the array.
    """
    shape, where = place(at)
    found: Any = (*where, ...)  # with an ellipsis one element is a view too
    try:
        return np.asarray((array if shape is None else array.reshape(shape))[found])
    except (IndexError, ValueError):
        raise ValueError(f"found the part {at} of an array of the shape {list(array.shape)}") from None


def part_shape(shape: tuple[int, ...], at: str) -> tuple[int, ...]:
    """The shape of a part of an array. Raises ``ValueError`` where the part is not within it."""
    return part(np.broadcast_to(np.int8(0), shape), at).shape
