"""Files of ``flax.serialization``, of which every array has its place before the first one comes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from flax import serialization

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate.state import Array, describe, dtype_named
from constate_flax.formats.arrays import DTYPES, nested
from constate_flax.formats.msgpack_tree import CHUNKED, Extension
from constate_flax.formats.wire import binary_head, extension_head

Span = tuple[int, int, int]
"""Bytes of an array: where they go in the file, where they begin in the array, how many there are."""


def write(path: Path, file: int, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
    """Write everything. Raises ``CheckpointError`` where a name or a dtype cannot be, or the arrays are others."""
    layout = _Layout(path, file)
    layout.level(nested(path, forms, DTYPES))
    layout.flush()
    missing = dict(forms)
    for name, array in arrays:
        expected = missing.pop(name, None)
        if expected is None or (array.shape, str(array.dtype)) != expected:
            raise CheckpointError(f"cannot write {path}: {name}: found {describe(array)}, expected {expected}")
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for place, begin, size in layout.spans[name]:
            _write_at(file, raw[begin : begin + size], place)
        del array, raw  # before the next one is made
    if missing:
        raise CheckpointError(f"cannot write {path}: {min(missing)}: the source did not give it")
    os.ftruncate(file, layout.end)


class _Layout:
    """Writes the heads as it goes, and notes where the arrays belong."""

    def __init__(self, path: Path, file: int) -> None:
        self.path, self.file, self.end = path, file, 0
        self.spans: dict[str, list[Span]] = {}
        self._packer = msgpack.Packer(use_bin_type=True)
        self._waiting, self._from = bytearray(), 0

    def put(self, raw: bytes) -> None:
        self._waiting += raw
        self.end += len(raw)

    def skip(self, size: int) -> None:
        self.flush()
        self.end += size
        self._from = self.end

    def flush(self) -> None:
        _write_at(self.file, np.frombuffer(bytes(self._waiting), np.uint8), self._from)
        self._waiting, self._from = bytearray(), self.end

    def level(self, tree: Mapping[str, Any]) -> None:
        self.put(self._packer.pack_map_header(len(tree)))
        for key, value in tree.items():
            self.put(self._packer.pack(key))
            if isinstance(value, dict):
                self.level(value)
            else:
                self.entry(*value)

    def entry(self, name: str, form: Form) -> None:
        spans = self.spans[name] = []
        limit = serialization.MAX_CHUNK_SIZE
        if form.nbytes <= limit:
            self.array(spans, form.shape, form.dtype, 0, form.nbytes)
            return
        itemsize = dtype_named(form.dtype).itemsize
        most = max(1, limit // itemsize)
        starts = range(0, form.size, most)
        self.put(self._packer.pack_map_header(3) + self._packer.pack(CHUNKED) + self._packer.pack(True))
        self.put(self._packer.pack("shape") + self._packer.pack({str(n): size for n, size in enumerate(form.shape)}))
        self.put(self._packer.pack("chunks") + self._packer.pack_map_header(len(starts)))
        for number, start in enumerate(starts):
            count = min(most, form.size - start)
            self.put(self._packer.pack(str(number)))
            self.array(spans, (count,), form.dtype, start * itemsize, count * itemsize)

    def array(self, spans: list[Span], shape: tuple[int, ...], dtype: str, begin: int, size: int) -> None:
        head = self._packer.pack_array_header(3) + self._packer.pack(shape) + self._packer.pack(dtype)
        head += binary_head(size)
        self.put(extension_head(len(head) + size, Extension.ARRAY) + head)
        spans.append((self.end, begin, size))
        self.skip(size)


def _write_at(file: int, raw: Array, at: int) -> None:
    """Write all of it: one call of the operating system may write less than it is given."""
    rest = raw.data
    while rest:
        done = os.pwrite(file, rest, at)
        at, rest = at + done, rest[done:]
