"""The index of a checkpoint, looked through before TensorFlow opens it.

TensorFlow 2.21 ends the process on an index that is well formed and says what cannot be, for instance a negative size
of an array. It checks the checksums itself afterwards. The index is a table of LevelDB: blocks of names and values,
each name without what it shares with the one before, found by a block of places, found by the end of the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import tensor_bundle_pb2

from constate.checkpoint import CheckpointError

FOOTER = 48
MAGIC = 0xDB4775248B80FB57
TRAILER = 5
"""The kind of compression and the checksum, after each block."""
DIMENSIONS = 64


class Index:
    """What an index says, known to fit the files that it speaks of."""

    def __init__(self, prefix: Path) -> None:
        self.where = f"{prefix}.index"
        self.rows: dict[bytes, Any] = {}
        data = Path(self.where).read_bytes()
        header = None
        for key, value in _pairs(self.where, data):
            try:
                if key:
                    self.rows[key] = tensor_bundle_pb2.BundleEntryProto.FromString(value)
                else:
                    header = tensor_bundle_pb2.BundleHeaderProto.FromString(value)
            except DecodeError as error:
                raise CheckpointError(f"{self.where}: {key[:100]!r}: is described by bytes that cannot be") from error
        if header is None or header.endianness != tensor_bundle_pb2.BundleHeaderProto.LITTLE:
            raise CheckpointError(f"{self.where}: found no header of a little-endian checkpoint")
        self.count = header.num_shards
        self._prefix = prefix
        self.shards: dict[int, int] = {}
        for key, row in self.rows.items():
            self._check(key, row)
        self._check_sizes()

    def shard(self, number: int) -> Path:
        """The file of a number."""
        return Path(f"{self._prefix}.data-{number:05d}-of-{self.count:05d}")

    def _check(self, key: bytes, row: Any) -> None:
        where = f"{self.where}: {key[:100].decode(errors='replace')!r}"
        shape = [dim.size for dim in row.shape.dim]
        if row.shape.unknown_rank or min(shape, default=0) < 0 or len(shape) > DIMENSIONS:
            raise CheckpointError(f"{where}: there can be no array of the shape {shape[:DIMENSIONS]}")
        if math.prod(size for size in shape if size) >= 1 << 60:
            raise CheckpointError(f"{where}: there can be no array of the shape {shape}")
        for part in row.slices:
            extents = [(extent.start, extent.length if extent.HasField("length") else 0) for extent in part.extent]
            if len(extents) != len(shape) or any(
                start < 0 or length < 0 or start + length > size
                for (start, length), size in zip(extents, shape, strict=True)
            ):
                raise CheckpointError(f"{where}: a part of it lies outside of the shape {shape}")
        if row.slices:
            return
        if not 0 <= row.shard_id < self.count:
            raise CheckpointError(f"{where}: is in the file {row.shard_id}, expected one of {self.count}")
        size = self._size(row.shard_id)
        if row.offset < 0 or row.size < 0 or row.offset + row.size > size:
            raise CheckpointError(f"{where}: ends at {row.offset + row.size} in {self.shard(row.shard_id).name}, which "
                                  f"has {size} bytes")  # fmt: skip
        itemsize = itemsize_of(row.dtype)
        if itemsize is not None and math.prod(shape) * itemsize != row.size:
            raise CheckpointError(f"{where}: has {row.size} bytes, expected {math.prod(shape) * itemsize} for {shape}")
        if itemsize is None and math.prod(shape) > row.size:
            raise CheckpointError(f"{where}: has {row.size} bytes, expected at least one for each of {shape}")

    def _size(self, number: int) -> int:
        if number not in self.shards:
            try:
                self.shards[number] = self.shard(number).stat().st_size
            except OSError as error:
                raise CheckpointError(f"cannot read {self.shard(number)}: {error.strerror}") from error
        return self.shards[number]

    def _check_sizes(self) -> None:
        """Arrays that are stored in parts may not be larger than everything that is stored."""
        stored = sum(self.shards.values())
        for key, row in self.rows.items():
            needed = math.prod(dim.size for dim in row.shape.dim) * (itemsize_of(row.dtype) or 1)
            if row.slices and needed > stored:
                name = key[:100].decode(errors="replace")
                raise CheckpointError(f"{self.where}: {name!r}: would take {needed} bytes, found {stored} in all files")

    def check_texts(self, key: bytes) -> None:
        """Raise ``CheckpointError`` where texts would be longer than what is stored of them."""
        row = self.rows[key]
        if row.slices:
            raise CheckpointError(f"{self.where}: {key[:100]!r}: texts in parts cannot be read")
        with self.shard(row.shard_id).open("rb") as file:
            file.seek(row.offset)
            raw = file.read(row.size)
        at = total = 0
        for _ in range(math.prod(dim.size for dim in row.shape.dim)):
            length, at = _varint(self.where, raw, at)
            total += length
        if at + 4 + total != len(raw):
            raise CheckpointError(f"{self.where}: {key[:100]!r}: the texts take {total} bytes, found {len(raw)}")


def itemsize_of(number: int) -> int | None:
    """Bytes of an element; ``None`` where they differ, as texts do, or the dtype is unknown."""
    try:
        dtype = tf.dtypes.as_dtype(number)
    except TypeError:
        return None
    return None if dtype in (tf.string, tf.variant, tf.resource) else int(dtype.size)


def _pairs(where: str, data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every key and its value."""
    if len(data) < FOOTER or int.from_bytes(data[-8:], "little") != MAGIC:
        raise CheckpointError(f"{where}: truncated or no index of TensorFlow: {len(data)} bytes")
    at = len(data) - FOOTER
    for _ in range(2):  # the block of statistics, which is empty
        _, at = _varint(where, data, at)
    begin, at = _varint(where, data, at)
    size, _ = _varint(where, data, at)
    last = b""
    left = len(data)
    for _, handle in _block(where, data, begin, size):
        begin, at = _varint(where, handle, 0)
        size, _ = _varint(where, handle, at)
        left -= size + TRAILER
        if left < 0:
            raise CheckpointError(f"{where}: leads to the same place twice")
        for key, value in _block(where, data, begin, size):
            if key <= last and last:
                raise CheckpointError(f"{where}: {key[:100]!r}: comes after {last[:100]!r}, expected rising names")
            last = key
            yield key, value


def _block(where: str, data: bytes, begin: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if size < 4 or begin + size + TRAILER > len(data) - FOOTER:
        raise CheckpointError(f"{where}: leads to {size} bytes at {begin}, expected a part of its {len(data)} bytes")
    if data[begin + size]:
        raise CheckpointError(f"{where}: found a compressed index, expected one as TensorFlow writes it")
    block = data[begin : begin + size]
    restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 - 4 * restarts
    at, key = 0, b""
    if end < 0 or not restarts or any(block[end : end + 4]):
        raise CheckpointError(f"{where}: found {restarts} places to start from in {size} bytes")
    while at < end:
        shared, at = _varint(where, block, at)
        fresh, at = _varint(where, block, at)
        length, at = _varint(where, block, at)
        if shared > len(key) or at + fresh + length > end:
            raise CheckpointError(f"{where}: found a name that is longer than the index")
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _varint(where: str, data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    found = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        found |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return found, at
    raise CheckpointError(f"{where}: truncated within a number")
