"""Entries that are one array under several names.

Each name has its bits in the file, so that any other reader finds what it expects; the metadata says which names are
one array.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from constate.checkpoint.layout import CheckpointError
from constate.state import Array

Groups = Iterable[Collection[str]]


def in_order(shared: Groups) -> list[list[str]]:
    """Groups of two names and more, always in one order."""
    return sorted(sorted(group) for group in shared if len(group) > 1)


def encode(groups: list[list[str]]) -> str:
    """The text for the metadata; empty where nothing is shared."""
    return json.dumps(groups, separators=(",", ":")) if groups else ""


def decode(path: Path, text: str) -> list[list[str]]:
    """What ``encode`` was given. Raises ``CheckpointError`` where it is no such text."""
    if not text:
        return []
    try:
        groups = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: what it says of shared entries cannot be read: {error}") from error
    if not isinstance(groups, list) or not all(
        type(group) is list and {*map(type, group)} == {str} for group in groups
    ):
        raise CheckpointError(f"{path}: what it says of shared entries cannot be read: found no lists of names")
    return groups


def require_alike(path: Path | str, groups: Iterable[Sequence[str]], bits: Mapping[str, Any]) -> None:
    """Raise ``CheckpointError`` unless entries that are one array have the same bits.

    Args:
        path: what to call the file.
        groups: names of one array each; those that ``bits`` has not are in another file.
        bits: by name, what is equal for equal arrays: a checksum and the form.
    """
    for group in groups:
        first, *others = [name for name in group if name in bits] or [""]
        for other in others:
            if bits[other] != bits[first]:
                raise CheckpointError(f"{path}: {first} and {other}: are said to be one array and have different bits, "
                                      "expected the same; save the module again")  # fmt: skip


def completed(arrays: Mapping[str, Array], shared: Groups) -> tuple[dict[str, Array], list[str]]:
    """Arrays for all names of what a module shares, where a file has one of the names, and what is at fault where it
    has several with different bits."""
    found, faults = dict(arrays), []
    for group in map(sorted, shared):
        there = [name for name in group if name in arrays]
        for name in group if there else ():
            array = found.setdefault(name, arrays[there[0]])
            if not _alike(array, arrays[there[0]]):
                faults.append(f"{there[0]} and {name}: are one array in the module and have different bits in the file")
    return found, faults


def _alike(a: Array, b: Array) -> bool:
    if a is b:
        return True
    return (a.shape, a.dtype) == (b.shape, b.dtype) and np.array_equal(_bytes(a), _bytes(b))


def _bytes(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
