"""Parts of arrays as NumPy writes them, in text: ``[0:64]``, ``[1, 64:128]``, ``[::-1, ::-1]``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

_PART = re.compile(r"(?P<name>.*?)(?P<at>\[[-\d:,\s]+\])?", re.DOTALL)
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


def sliced_shape(shape: tuple[int, ...], at: str) -> tuple[int, ...]:
    """The shape of a part of an array. Raises ``ValueError`` where the part is not within it."""
    where: Any = index(at)
    try:
        found: tuple[int, ...] = np.broadcast_to(np.int8(0), shape)[where].shape
    except IndexError:
        raise ValueError(f"found the part {at} of an array of the shape {list(shape)}") from None
    return found
