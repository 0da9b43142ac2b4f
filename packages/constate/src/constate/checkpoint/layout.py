"""What stands where in a container: the header, made and read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

from constate.checkpoint.scanning import Rows, Scanned, scan
from constate.errors import ConstateError, printable
from constate.state import Array, dtype_named

ALIGNMENT = 64
HEADER_LIMIT = 100_000_000
METADATA = "__metadata__"
PREFIX = "constate."
HEADER_CHECKSUM = f"{PREFIX}header"
CHECKSUMS = f"{PREFIX}xxh3"
"""The XXH3-128 of every array in hexadecimal, one after the other in the order of the header."""
ENTRIES = f"{PREFIX}entries"
"""What is known of every entry; see ``policies``."""
SHARED = f"{PREFIX}shared"
"""The names that are one array; see ``sharing``."""
DIGITS = 32
SUMS = frozenset({HEADER_CHECKSUM, CHECKSUMS})
OWN = SUMS | {ENTRIES, SHARED}
"""The keys of the metadata that are not the user's."""
BLANK = "0" * DIGITS
MOST_AXES, WIDEST = 64, 2**63
"""NumPy has arrays of so many axes at the most, and of fewer elements along one."""

DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
    "BOOL": "bool", "C64": "complex64",
}  # fmt: skip
KINDS = {code: dtype_named(name) for code, name in DTYPES.items()}
CODES = {dtype: code for code, dtype in KINDS.items()}


class CheckpointError(ConstateError):
    """A checkpoint that cannot be written, or was refused; nothing was changed.

    Args:
        text: one line. It may name what a file names as it likes: what is not printable is escaped.
        faults: more lines, each for an entry.
    """

    def __init__(self, text: str, faults: Sequence[str] = ()) -> None:
        super().__init__("\n  ".join(map(printable, (text, *faults))))


class Row(NamedTuple):
    """An entry, as a header describes it; offsets are from the start of the data."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    first: int
    last: int


def order(state: Mapping[str, Array]) -> list[str]:
    """The names as they stand in a file. Arrays whose size is a multiple of the alignment come first, so that each of
    them, and the one after them, is aligned; the rest by falling item size, which keeps every array on a multiple of
    its own item size."""
    return sorted(state, key=lambda name: ((a := state[name]).nbytes % ALIGNMENT != 0, -a.itemsize, name))


def header(arrays: Mapping[str, Array], checksums: Sequence[str], metadata: Mapping[str, str]) -> bytes:
    """Everything before the data."""
    notes = [f"{quoted(key)}:{quoted(value)}" for key, value in metadata.items()]
    notes += [f'"{CHECKSUMS}":"{"".join(checksums)}"', f'"{HEADER_CHECKSUM}":"{BLANK}"']
    rows, end = [f'"{METADATA}":{{{",".join(notes)}}}'], 0
    forms: dict[tuple[np.dtype[Any], tuple[int, ...]], str] = {}
    for name, array in arrays.items():
        first, end = end, end + array.nbytes
        form = array.dtype, array.shape
        if form not in forms:
            forms[form] = f'"dtype":"{CODES[array.dtype]}","shape":[{",".join(map(str, array.shape))}]'
        rows.append(f'{quoted(name)}:{{{forms[form]},"data_offsets":[{first},{end}]}}')
    text = f"{{{','.join(rows)}}}".encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    if len(text) > HEADER_LIMIT:
        raise CheckpointError(
            f"the header would have {len(text)} bytes, expected at most {HEADER_LIMIT}, which is what readers take; "
            "write the state to several files"
        )
    blanked = len(text).to_bytes(8, "little") + text
    checksum = xxhash.xxh3_128_hexdigest(blanked)
    return blanked.replace(f'"{HEADER_CHECKSUM}":"{BLANK}"'.encode(), f'"{HEADER_CHECKSUM}":"{checksum}"'.encode(), 1)


class Header(NamedTuple):
    """The header of a safetensors file, of which the ranges are known to be in order and within the file."""

    start: int
    """Where the data begins."""
    rows: Mapping[str, Any]
    """By name, in the order of the file: what ``row`` turns into a ``Row``."""
    metadata: dict[str, str]


def parse(path: Path, memory: Any) -> Header:
    """The header of a file whose arrays stand in the order of their names in it, without gaps.

    Args:
        path: what to call the file.
        memory: its bytes.

    Raises:
        CheckpointError: a header that is longer than the file, cannot be read or names an entry twice; ranges that
            overlap, leave gaps or do not end where the file does.
    """
    size = int.from_bytes(memory[:8], "little")
    if len(memory) < 8 or size > min(HEADER_LIMIT, len(memory) - 8):
        raise CheckpointError(
            f"{path}: truncated or no safetensors file: {len(memory)} bytes, header of {size} expected"
        )
    start = 8 + size
    text = bytes(memory[8:start])
    try:
        rows, metadata, end = scan(text, unique) or _decoded(path, text)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header cannot be read: {error}") from error
    if type(metadata) is not dict or not {*map(type, metadata.values())} <= {str}:
        raise CheckpointError(f"{path}: the metadata is not a mapping of strings")
    if (found := len(memory) - start) != end:
        what = "truncated, found" if found < end else "found"
        raise CheckpointError(f"{path}: {what} {found} bytes of data, expected {end}")
    return Header(start, rows, metadata)


def _decoded(path: Path, text: bytes) -> Scanned:
    """The header, in which no name stands twice. In one that is written without spaces, as here, a colon between two
    quotes or a quote and a brace is what follows a name, since within a text quotes are escaped."""
    found: dict[str, Any] = json.loads(text)
    notes = found.get(METADATA, {})
    if text.count(b'":{') != len(found) or text.count(b'":"') != len(notes) + len(found) - (METADATA in found):
        found = json.loads(text, object_pairs_hook=unique)
    metadata = found.pop(METADATA, {})
    offsets = [described["data_offsets"] for described in found.values()]
    first = [pair[0] for pair in offsets]
    last = [pair[1] for pair in offsets]
    if not {*map(type, first), *map(type, last)} <= {int} or not {*map(len, offsets)} <= {2}:
        raise ValueError("there are offsets that are no two numbers")
    if first != [0, *last[:-1]][: len(first)]:
        names = zip(found, first, [0, *last], strict=False)
        name, begins, ends = next(wrong for wrong in names if wrong[1] != wrong[2])
        raise CheckpointError(f"{path}: {name}: begins at {begins}, expected {ends}, where the array before it ends")
    return Scanned(found, metadata, last[-1] if last else 0)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For ``json``: a mapping in which no name stands twice."""
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def row(path: Path, name: str, described: Mapping[str, Any]) -> Row:
    """An entry. Raises ``CheckpointError`` where its dtype is unknown or its range does not fit its shape."""
    try:
        shape, (first, last) = described["shape"], described["data_offsets"]
        dtype = KINDS[described["dtype"]]
        fits = {*map(type, shape)} <= {int} and min(shape, default=0) >= 0 and max(shape, default=0) < WIDEST
        # Only then the product, which of many large numbers is a work of its own.
        fits = fits and type(shape) is list and len(shape) <= MOST_AXES
        if not fits or last - first != dtype.itemsize * math.prod(shape):
            raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        text = str(described)
        shown = text if len(text) < 200 else f"{text[:200]}…"
        raise CheckpointError(f"{path}: {name}: is described by {shown}, which cannot be") from error
    return Row(name, dtype, tuple(shape), first, last)


def rows(path: Path, described: Mapping[str, Any]) -> Iterator[Row]:
    """All entries, in the order of the file. What is written in the same words is looked at once. Raises as ``row``."""
    if not isinstance(described, Rows):
        yield from (row(path, name, described[name]) for name in described)
        return
    known: dict[bytes, Row] = {}
    first = 0
    for name, form, last in described.forms():
        like = known.get(form)
        if like is None or last - first != like.last - like.first:
            like = known[form] = row(path, name, described[name])
        yield Row(name, like.dtype, like.shape, first, last)
        first = last


class Checksums(Iterable[str]):
    """The checksums of arrays, which stand one after the other in a text and are cut out of it when they are wanted."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[str]:
        return (self._text[begin : begin + DIGITS] for begin in range(0, len(self._text), DIGITS))


def checksums(path: Path, memory: Any, header: Header) -> Checksums:
    """The checksums of the arrays, in the order of the file. Raises ``CheckpointError`` unless the header has its own
    checksum, and it fits."""
    claimed = header.metadata.get(HEADER_CHECKSUM)
    if claimed is None:
        raise CheckpointError(f"{path}: has no constate checksums; found a plain safetensors file or a damaged header")
    raw = bytes(memory[: header.start])
    blanked = raw.replace(f'"{claimed}"'.encode(errors="replace"), f'"{BLANK}"'.encode(), 1)
    text = header.metadata.get(CHECKSUMS, "")
    if xxhash.xxh3_128_hexdigest(blanked) != claimed or len(text) != DIGITS * len(header.rows):
        raise CheckpointError(
            f"{path}: the header does not match its checksum; the file is damaged, restore it from a copy"
        )
    return Checksums(text)
