"""The container: a safetensors file in which nothing can change unseen.

Any reader of safetensors opens it. Arrays start on 64-byte boundaries as far as the format, which allows no holes,
permits. The metadata carries a checksum (XXH3-128) of every array and one of the header, so that a file with any bit
changed is refused. Writing is a temporary file, fsync and an atomic rename; equal state gives equal bytes. Reading is
one memory map.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import FileIO
from itertools import islice
from pathlib import Path

import numpy as np
import xxhash

from constate.checkpoint import layout
from constate.checkpoint.layout import CODES, METADATA, CheckpointError, Header, Row
from constate.checkpoint.replacing import replacing
from constate.state import Array

PIECE = 32 << 20
"""Bytes of a strided array that are brought in order at a time."""
AT_ONCE = 1024
"""Pieces of memory that one call of the operating system takes (``IOV_MAX``)."""


def save(path: str | Path, state: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays to one file, whole or not at all.

    As with a plain write, a symbolic link is followed, and the file has the mode of the one that it replaces, or the
    usual one. Beside the arrays themselves at most 32 MiB of memory are used, and the header.

    Args:
        path: the file; an existing one is replaced at once and only when the new one is complete and on the disk.
        state: arrays by name, of any strides; equal state gives equal bytes, in whatever order it comes.
        metadata: what else the file shall say; ``constate.header`` and ``constate.xxh3`` are taken.

    Raises:
        CheckpointError: a name or dtype that safetensors cannot hold, a key that is taken, or a path that cannot be
            written.
    """
    for key in layout.OWN & (metadata or {}).keys():
        raise CheckpointError(f"{key!r}: this key is the container's own; choose another one")
    for name, array in state.items():
        if name == METADATA or name.encode(errors="ignore").decode() != name:
            raise CheckpointError(f"{name!r}: an entry of this name cannot be stored; choose another name")
        if array.dtype not in CODES:
            known = ", ".join(layout.DTYPES.values())
            raise CheckpointError(f"{name}: dtype {array.dtype} cannot be stored; expected one of {known}")
    names = layout.order(state)
    arrays = [_bytes(state[name]) if state[name].flags.c_contiguous else state[name] for name in names]
    checksums = [_checksum(array) for array in arrays]
    header = layout.header({name: state[name] for name in names}, checksums, metadata or {})
    with replacing(Path(path)) as file:
        _write(file, header, arrays)


def load(path: str | Path, verify: bool = True) -> Mapping[str, Array]:
    """The arrays of a file, in its order, as views of one memory map.

    They can be written to, which does not change the file. A file that is replaced by another leaves them as they are;
    one that is overwritten in place does not, so that a copy is to be made of what outlives that.

    Args:
        path: a file written by ``save``.
        verify: compare every array with its checksum. Without that only the header is checked, and nothing else is
            read before it is used.

    Raises:
        CheckpointError: the file is no container, is truncated, or a checksum does not match; the message names the
            entry.
    """
    return read(Path(path), verify)[0]


def read(path: Path, verify: bool = True) -> tuple[Mapping[str, Array], dict[str, str]]:
    """As ``load``, with the metadata of the file."""
    try:
        with Path(path).open("rb", buffering=0) as file:
            memory = _mapped(file)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    header = layout.parse(path, memory)
    checksums = layout.checksums(path, memory, header)
    arrays = Arrays(path, memory, header)
    if verify:
        arrays.verify(checksums)
    return arrays, {key: value for key, value in header.metadata.items() if key not in layout.OWN}


def _mapped(file: FileIO) -> mmap.mmap | bytearray:
    """The file as memory that can be written to and does not change it."""
    size = os.fstat(file.fileno()).st_size
    return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) if size else bytearray()


class Arrays(Mapping[str, Array]):
    """The arrays of a file, each made when it is first asked for, and the same one from then on."""

    def __init__(self, path: Path, memory: mmap.mmap | bytearray, header: Header) -> None:
        self._path, self._memory = path, memory
        self._start, self._rows, _ = header
        self._made: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        array = self._made.get(name)
        return self._view(layout.row(self._path, name, self._rows[name])) if array is None else array

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<{len(self)} arrays of {self._path}>"

    def verify(self, checksums: Sequence[str]) -> None:
        """Compare every array with its checksum."""
        memory, start, path = memoryview(self._memory), self._start, self._path
        for (name, described), checksum in zip(self._rows.items(), checksums, strict=True):
            row = layout.row(path, name, described)
            if xxhash.xxh3_128_hexdigest(memory[start + row.first : start + row.last]) != checksum:
                raise CheckpointError(f"{path}: {name}: the data does not match its checksum; the file is damaged")
            self._view(row)

    def _view(self, row: Row) -> Array:
        try:
            place = (self._memory, self._start + row.first) if row.last > row.first else ()
            array: Array = np.ndarray(row.shape, row.dtype, *place)
        except (ValueError, OverflowError, MemoryError) as error:  # an empty one of an impossible shape
            raise CheckpointError(f"{self._path}: {row.name}: {row.dtype}{list(row.shape)}: {error}") from error
        self._made[row.name] = array
        return array


def _checksum(array: memoryview | Array) -> str:
    if isinstance(array, memoryview):
        return xxhash.xxh3_128_hexdigest(array)
    checksum = xxhash.xxh3_128()
    for piece in _pieces(array):
        checksum.update(piece)
    return checksum.hexdigest()


def _write(file: FileIO, header: bytes, arrays: Iterable[memoryview | Array]) -> None:
    waiting = _all_pieces(header, arrays)
    while pieces := list(islice(waiting, AT_ONCE)):
        _write_all(file.fileno(), pieces)


def _all_pieces(header: bytes, arrays: Iterable[memoryview | Array]) -> Iterator[memoryview]:
    yield memoryview(header)
    for array in arrays:
        if isinstance(array, memoryview):
            yield array
        else:
            yield from _pieces(array)


def _write_all(file: int, pieces: Sequence[memoryview]) -> None:
    """Write all of it: one call of the operating system may write less than it is given."""
    written = os.writev(file, pieces)
    for piece in pieces if written < sum(map(len, pieces)) else ():
        rest = piece[written:]
        written = max(0, written - len(piece))
        while rest:
            rest = rest[os.write(file, rest) :]


def _pieces(array: Array) -> Iterator[memoryview]:
    """The bytes of a strided array in order, a part of it at a time."""
    if array.flags.c_contiguous or array.nbytes <= PIECE:
        yield _bytes(np.ascontiguousarray(array))
        return
    rows = PIECE * len(array) // array.nbytes
    for begin in range(0, len(array), max(1, rows)):
        yield from _pieces(array[begin : begin + rows] if rows else array[begin])


def _bytes(array: Array) -> memoryview:
    """The memory of a contiguous array, as bytes: the types of ``ml_dtypes`` are no buffers."""
    return array.reshape(-1).view(np.uint8).data
