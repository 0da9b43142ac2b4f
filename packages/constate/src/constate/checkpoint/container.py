"""The container: a safetensors file in which nothing can change unseen.

Any reader of safetensors opens it. Arrays start on 64-byte boundaries as far as the format, which allows no holes,
permits. The metadata carries a checksum (XXH3-128) of every array and one of the header, so that a file with any bit
changed is refused, and what is known of each entry. Writing is a temporary file, fsync and an atomic rename; equal
state gives equal bytes. Reading is one memory map.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from constate.checkpoint import layout, policies, sharing
from constate.checkpoint.layout import CODES, METADATA, CheckpointError, Header, Row
from constate.checkpoint.policies import Policies, Policy
from constate.checkpoint.progress import Report, progress
from constate.checkpoint.replacing import replacing
from constate.state import Array

PIECE = 32 << 20
"""Bytes that are written at a time, and of a strided array brought in order."""
AT_ONCE = 1024
"""Pieces of memory that one call of the operating system takes (``IOV_MAX``)."""


def save(
    path: str | Path,
    state: Mapping[str, Array],
    metadata: Mapping[str, str] | None = None,
    *,
    entries: Policies | None = None,
    shared: sharing.Groups = (),
    report: Report | None = None,
) -> None:
    """Write arrays to one file, whole or not at all.

    As with a plain write, a symbolic link is followed, and the file has the mode of the one that it replaces, or the
    usual one. Beside the arrays themselves at most 64 MiB of memory are used, and the header. What takes longer than a
    second shows a bar on a terminal.

    Args:
        path: the file; an existing one is replaced at once and only when the new one is complete and on the disk.
        state: arrays by name, of any strides; equal state gives equal bytes, in whatever order it comes.
        metadata: what else the file shall say; ``constate.header``, ``.xxh3``, ``.entries`` and ``.shared`` are taken.
        entries: what is known of entries: ``Policy(Kind.STATISTIC)``, or ``constate.state.Entry``. Those that are not
            persistent need not be in the state; the file then says that they are not in it.
        shared: names that are one array, ``[("embedding/weight", "head/weight")]``. Each is written.
        report: told of what is written, name and bytes, of a large array part by part; takes the place of the bar.

    Raises:
        CheckpointError: a name or dtype that safetensors cannot hold, a key that is taken, an entry that is persistent
            and has no array, names of one array with different bits, or a path that cannot be written.
    """
    for key in layout.OWN & (metadata or {}).keys():
        raise CheckpointError(f"{key!r}: this key is the container's own; choose another one")
    for name, array in state.items():
        if name == METADATA or name.encode(errors="ignore").decode() != name:
            raise CheckpointError(f"{name!r}: an entry of this name cannot be stored; choose another name")
        if array.dtype not in CODES:
            known = ", ".join(layout.DTYPES.values())
            raise CheckpointError(f"{name}: dtype {array.dtype} cannot be stored; expected one of {known}")
    ordered = {name: state[name] for name in layout.order(state)}
    groups = sharing.in_order(shared)
    said = {layout.ENTRIES: policies.encode(entries or {}, ordered), layout.SHARED: sharing.encode(groups)}
    notes = dict(metadata or {}) | {key: text for key, text in said.items() if text}
    total = sum(array.nbytes for array in ordered.values())
    with progress("saving", 2 * total, report) as advance:
        arrays = {name: _in_order(array) for name, array in ordered.items()}
        checksums = _checksums(arrays, None if report else advance)
        if groups:
            bits = {n: (c, a.dtype, a.shape) for (n, a), c in zip(ordered.items(), checksums, strict=True)}
            sharing.require_alike(path, groups, bits)
        header = layout.header(ordered, checksums, notes)
        with replacing(Path(path)) as file:
            _write(file.fileno(), header, arrays, advance)


def load(path: str | Path, verify: bool = True, *, report: Report | None = None) -> Arrays:
    """The arrays of a file, in its order, as views of one memory map.

    They can be written to, which does not change the file. A file that is replaced by another leaves them as they are;
    one that is overwritten in place does not, so that a copy is to be made of what outlives that. What takes longer
    than a second shows a bar on a terminal.

    Args:
        path: a file written by ``save``.
        verify: compare every array with its checksum. Without that only the header is checked, and nothing else is
            read before it is used.
        report: told of every array that is verified, name and bytes; takes the place of the bar.

    Returns:
        The arrays by name; their ``policies`` and ``shared`` are what the file says of them.

    Raises:
        CheckpointError: the file is no container, is truncated, a checksum does not match, or names that are said to
            be one array have different bits; the message names the entry.
    """
    return read(Path(path), verify, report=report)[0]


def read(path: Path, verify: bool = True, *, report: Report | None = None) -> tuple[Arrays, dict[str, str]]:
    """As ``load``, with the metadata of the file."""
    try:
        with Path(path).open("rb", buffering=0) as file:
            memory = _mapped(file)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    header = layout.parse(path, memory)
    checksums = layout.checksums(path, memory, header)
    arrays = Arrays(path, memory, header, checksums)
    if arrays.shared:
        sharing.require_alike(path, arrays.shared, arrays.bits)
    if verify:
        with progress("verifying", len(memory) - header.start, report) as advance:
            arrays.verify(advance)
    return arrays, {key: value for key, value in header.metadata.items() if key not in layout.OWN}


def _mapped(file: FileIO) -> mmap.mmap | bytearray:
    """The file as memory that can be written to and does not change it."""
    size = os.fstat(file.fileno()).st_size
    return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) if size else bytearray()


class Arrays(Mapping[str, Array]):
    """The arrays of a file, each made when it is first asked for, and the same one from then on."""

    def __init__(self, path: Path, memory: mmap.mmap | bytearray, header: Header, checksums: Iterable[str]) -> None:
        self._path, self._memory, self._checksums = path, memory, checksums
        self._start, self._rows, self._metadata = header
        self._made: dict[str, Array] = {}
        self.shared = sharing.decode(path, header.metadata.get(layout.SHARED, ""))
        """Names that are one array, in groups."""

    @cached_property
    def policies(self) -> dict[str, Policy]:
        """What the file says of its entries, and of those that are not in it. Raises ``CheckpointError`` where that
        cannot be read."""
        return policies.decode(self._path, self._metadata.get(layout.ENTRIES, ""), self._rows)

    @property
    def bits(self) -> dict[str, tuple[str, Any, Any]]:
        """By name, what is equal for equal arrays: checksum, dtype and shape."""
        rows = zip(self._rows.items(), self._checksums, strict=True)
        return {name: (checksum, row.get("dtype"), row.get("shape")) for (name, row), checksum in rows}

    def __getitem__(self, name: str) -> Array:
        array = self._made.get(name)
        return self._view(layout.row(self._path, name, self._rows[name])) if array is None else array

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<{len(self)} arrays of {self._path}>"

    def verify(self, advance: Report | None) -> None:
        """Compare every array with its checksum."""
        memory, start, path = memoryview(self._memory), self._start, self._path
        for row, checksum in zip(layout.rows(path, self._rows), self._checksums, strict=True):
            if xxhash.xxh3_128_hexdigest(memory[start + row.first : start + row.last]) != checksum:
                raise CheckpointError(f"{path}: {row.name}: the data does not match its checksum; the file is damaged")
            self._view(row)
            if advance is not None:
                advance(row.name, row.last - row.first)

    def _view(self, row: Row) -> Array:
        try:
            place = (self._memory, self._start + row.first) if row.last > row.first else ()
            array: Array = np.ndarray(row.shape, row.dtype, *place)
        except (ValueError, OverflowError, MemoryError) as error:  # an empty one of an impossible shape
            raise CheckpointError(f"{self._path}: {row.name}: {row.dtype}{list(row.shape)}: {error}") from error
        self._made[row.name] = array
        return array


def _checksums(arrays: Mapping[str, memoryview | Array], advance: Report | None) -> list[str]:
    found, size = [], 0
    for name, array in arrays.items():
        if isinstance(array, memoryview) and array.nbytes <= PIECE:
            found.append(xxhash.xxh3_128_hexdigest(array))
            size += array.nbytes
        else:
            checksum = xxhash.xxh3_128()
            for piece in _pieces(array):
                checksum.update(piece)
                size += len(piece)
            found.append(checksum.hexdigest())
        if size >= PIECE and advance is not None:
            advance(name, size)
            size = 0
    return found


def _write(file: int, header: bytes, arrays: Mapping[str, memoryview | Array], advance: Report | None) -> None:
    pieces, names, size = [memoryview(header)], list[str](), 0
    for name, array in arrays.items():
        for piece in (array,) if isinstance(array, memoryview) and array.nbytes <= PIECE else _pieces(array):
            pieces.append(piece)
            names.append(name)
            size += piece.nbytes
            if size >= PIECE or len(pieces) >= AT_ONCE:
                _write_all(file, names, pieces, advance)
                pieces, names, size = [], [], 0
    _write_all(file, names, pieces, advance)


def _write_all(file: int, names: Sequence[str], pieces: Sequence[memoryview], advance: Report | None) -> None:
    """Write all of it: one call of the operating system may write less than it is given."""
    written = os.writev(file, pieces)
    for piece in pieces if written < sum(piece.nbytes for piece in pieces) else ():
        if written < piece.nbytes:
            rest = np.frombuffer(piece, np.uint8)[written:].data  # not every format of a buffer can be cast
            while rest:
                rest = rest[os.write(file, rest) :]
        written = max(0, written - piece.nbytes)
    if advance is not None:
        for name, piece in zip(names, pieces[len(pieces) - len(names) :], strict=True):  # without the header
            advance(name, piece.nbytes)


def _pieces(array: memoryview | Array) -> Iterator[memoryview]:
    """The bytes of an array in order, a part of it at a time."""
    if isinstance(array, memoryview):
        yield from (array[begin : begin + PIECE] for begin in range(0, len(array), PIECE))
    elif array.flags.c_contiguous or array.nbytes <= PIECE:
        yield _bytes(np.ascontiguousarray(array))
    else:
        rows = PIECE * len(array) // array.nbytes
        for begin in range(0, len(array), max(1, rows)):
            yield from _pieces(array[begin : begin + rows] if rows else array[begin])


def _in_order(array: Array) -> memoryview | Array:
    """The memory of a contiguous array; a strided one as it is."""
    if not array.flags.c_contiguous:
        return array
    return array.data if array.dtype.isbuiltin == 1 and array.nbytes <= PIECE else _bytes(array)


def _bytes(array: Array) -> memoryview:
    """The memory of a contiguous array, as bytes: the types of ``ml_dtypes`` are no buffers."""
    return array.reshape(-1).view(np.uint8).data
