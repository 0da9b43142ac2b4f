"""The header of a safetensors file of any writer.

The container's own reader wants names in the order of the data; other writers order them otherwise, which the format
permits.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from pathlib import Path
from typing import Any, NamedTuple

from constate.checkpoint import layout
from constate.checkpoint.layout import HEADER_LIMIT, KINDS, METADATA, MOST_AXES, WIDEST, CheckpointError, Header, Row


class Described(NamedTuple):
    """What a file says of itself."""

    start: int
    """Where the data begins."""
    rows: list[Row]
    """In the order of the data."""
    metadata: dict[str, str]
    checksums: dict[str, str] | None
    """By name; ``None`` where the writer kept none."""


def described(path: Path, file: int) -> Described:
    """Read the header alone, and validate all of it: of an open file of any size.

    Raises:
        CheckpointError: a header that is longer than the file or cannot be read, a name that stands in it twice, a
            dtype that is unknown, a shape that does not fit its range, ranges that overlap, leave a gap or do not end
            with the file, a header that does not match its own checksum.
    """
    size = os.fstat(file).st_size
    if size < 8:
        raise CheckpointError(f"{path}: found {size} bytes, expected a safetensors file")
    with mmap.mmap(file, size, access=mmap.ACCESS_READ) as memory:
        length = int.from_bytes(memory[:8], "little")
        if length > min(HEADER_LIMIT, size - 8):
            raise CheckpointError(f"{path}: found a header of {length} bytes in a file of {size}, "
                                  f"expected one within the file and of at most {HEADER_LIMIT}")  # fmt: skip
        found, metadata = _decoded(path, memory[8 : 8 + length])
        rows = [_row(path, name, entry) for name, entry in found.items()]
        checksums = _checksums(path, memory, Header(8 + length, found, metadata))
    rows.sort(key=lambda row: (row.first, row.last))
    end = 0
    for row in rows:
        if row.first != end:
            fault = "overlaps the one before it" if row.first < end else "leaves a gap before it"
            raise CheckpointError(f"{path}: {row.name}: begins at {row.first}, expected {end}: it {fault}")
        end = row.last
    if end != size - 8 - length:
        what = "truncated, found" if size - 8 - length < end else "found"
        raise CheckpointError(f"{path}: {what} {size - 8 - length} bytes of data, expected {end}")
    return Described(8 + length, rows, metadata, checksums)


def _decoded(path: Path, text: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        found = json.loads(text, object_pairs_hook=layout.unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: the header is no mapping of names")
    metadata = found.pop(METADATA, {})
    if not isinstance(metadata, dict) or not {*map(type, metadata.values())} <= {str}:
        raise CheckpointError(f"{path}: the metadata is not a mapping of strings")
    return found, metadata


def _row(path: Path, name: str, entry: Any) -> Row:
    """An entry. Nothing is computed of a shape before it is known to be short, nor printed of what may be long."""
    try:
        code, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if {*map(type, shape), type(first), type(last)} != {int} or type(shape) is not list:
            raise TypeError
    except (TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: {name}: found no dtype, shape and two offsets, expected these") from error
    dtype = KINDS.get(code) if type(code) is str else None
    if dtype is None:
        raise CheckpointError(f"{path}: {name}: found dtype {code!r:.40}, expected one of {', '.join(KINDS)}")
    if len(shape) > MOST_AXES or (shape and not 0 <= min(shape) <= max(shape) < WIDEST):
        raise CheckpointError(f"{path}: {name}: found a shape that no array can have, of {len(shape)} dimensions")
    if math.prod(shape) * dtype.itemsize != last - first or first < 0:
        raise CheckpointError(f"{path}: {name}: found the offsets {first} to {last}, "
                              f"expected {math.prod(shape) * dtype.itemsize} bytes for {code}{shape}")  # fmt: skip
    if first == last and math.prod(filter(None, shape)) * dtype.itemsize >= WIDEST:
        raise CheckpointError(f"{path}: {name}: found shape {shape}, which no array can have")
    return Row(name, dtype, tuple(shape), first, last)


def _checksums(path: Path, memory: mmap.mmap, header: Header) -> dict[str, str] | None:
    if layout.HEADER_CHECKSUM in header.metadata:
        return dict(zip(header.rows, layout.checksums(path, memory, header), strict=True))
    if layout.CHECKSUMS in header.metadata:
        raise CheckpointError(f"{path}: has checksums of arrays and none of the header; the file is damaged")
    return None
