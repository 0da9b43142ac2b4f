"""The container: a safetensors file in which nothing can change unseen.

Any reader of safetensors opens it. Arrays start on 64-byte boundaries as far as the format, which allows no holes,
permits. The metadata carries a checksum (XXH3-128) of every array and one of the header, so that a file with any bit
changed is refused. Writing is a temporary file, fsync and an atomic rename; equal state gives equal bytes.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
import secrets
import stat
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from constate.errors import ConstateError
from constate.state import Array, dtype_named

ALIGNMENT = 64
HEADER_LIMIT = 100_000_000
HEADER_CHECKSUM = "constate.header"
ENTRY_CHECKSUM = "constate.xxh3."
METADATA = "__metadata__"
BLANK = "0" * 32

DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
    "BOOL": "bool", "C64": "complex64",
}  # fmt: skip
CODES = {name: code for code, name in DTYPES.items()}


class CheckpointError(ConstateError):
    """A checkpoint that cannot be written, or was refused; nothing was changed."""


def write(path: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> None:
    """Write ``arrays`` to ``path``, whole or not at all.

    As with a plain write, a symbolic link is followed, and the file has the mode of the one that it replaces, or the
    usual one.

    Raises:
        CheckpointError: a name or dtype that safetensors cannot hold, or a path that cannot be written.
    """
    contiguous = {}
    for name, array in arrays.items():
        if name == METADATA or name.encode(errors="ignore").decode() != name:
            raise CheckpointError(f"{name!r}: an entry of this name cannot be stored; choose another name")
        if str(array.dtype) not in CODES:
            raise CheckpointError(f"{name}: dtype {array.dtype} cannot be stored; expected one of {', '.join(CODES)}")
        contiguous[name] = np.ascontiguousarray(array).reshape(array.shape)
    # Arrays whose size is a multiple of the alignment come first, so that each of them, and the one after them, is
    # aligned; the rest by falling item size, which keeps every array on a multiple of its own item size.
    names = sorted(contiguous, key=lambda n: (contiguous[n].nbytes % ALIGNMENT != 0, -contiguous[n].itemsize, n))
    header = _header({name: contiguous[name] for name in names}, metadata or {})
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".constate-{secrets.token_hex(8)}")
    try:
        mode = path.stat().st_mode if path.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            raise CheckpointError(f"cannot write {path}: it is there and is no file; choose another path")
        try:
            with temporary.open("xb") as file:
                if mode is not None:
                    os.fchmod(file.fileno(), stat.S_IMODE(mode))
                file.write(header)
                for name in names:
                    file.write(_bytes(contiguous[name]))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path}: {error.strerror}; choose a folder that exists, is writable and has room"
        ) from error


def read(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Read a container whole: its arrays and its metadata.

    Raises:
        CheckpointError: the file is no safetensors file, is truncated, or a checksum does not match; the message
            names the entry.
    """
    try:
        with Path(path).open("rb") as file:
            return _read(path, file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error


def _read(path: Path, file: BufferedReader, size: int) -> tuple[dict[str, Array], dict[str, str]]:
    """Nothing is allocated that the size of the file does not account for, and no byte is held twice."""
    raw, header = _parse(path, file, size)
    metadata = _metadata(path, header)
    claimed = metadata.get(HEADER_CHECKSUM)
    if claimed is None:
        raise CheckpointError(f"{path}: has no constate checksums; found a plain safetensors file or a damaged header")
    blanked = raw.replace(f'"{claimed}"'.encode(errors="replace"), f'"{BLANK}"'.encode(), 1)
    if xxhash.xxh3_128_hexdigest(blanked) != claimed:
        raise CheckpointError(
            f"{path}: the header does not match its checksum; the file is damaged, restore it from a copy"
        )
    arrays = {}
    start, end = len(raw), 0
    for name, found in header.items():
        dtype = dtype_named(DTYPES[found["dtype"]])
        shape = tuple(found["shape"])
        first, last = found["data_offsets"]
        if first != end or last - first != dtype.itemsize * math.prod(shape):
            raise CheckpointError(f"{path}: {name}: offsets {first}..{last} do not fit {dtype}{list(shape)}")
        if last > size - start:
            raise CheckpointError(f"{path}: {name}: truncated, found {size - start} bytes, expected {last} or more")
        try:
            array = np.empty(shape, dtype)
        except (ValueError, OverflowError) as error:  # an empty one of an impossible shape
            raise CheckpointError(f"{path}: {name}: {dtype}{list(shape)} cannot be made: {error}") from error
        data = _bytes(array)
        if file.readinto(data) != len(data) or xxhash.xxh3_128_hexdigest(data) != metadata.get(ENTRY_CHECKSUM + name):
            raise CheckpointError(f"{path}: {name}: the data does not match its checksum; the file is damaged")
        arrays[name] = array
        end = last
    if start + end != size:
        raise CheckpointError(f"{path}: found {size - start} bytes of data, expected {end}")
    own = {key: value for key, value in metadata.items() if not key.startswith("constate.")}
    return arrays, own


def _header(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    checksums = {ENTRY_CHECKSUM + n: xxhash.xxh3_128_hexdigest(_bytes(a)) for n, a in arrays.items()}
    header: dict[str, Any] = {METADATA: {**metadata, **checksums, HEADER_CHECKSUM: BLANK}}
    end = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": CODES[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    blanked = len(text).to_bytes(8, "little") + text
    checksum = xxhash.xxh3_128_hexdigest(blanked)
    return blanked.replace(f'"{HEADER_CHECKSUM}":"{BLANK}"'.encode(), f'"{HEADER_CHECKSUM}":"{checksum}"'.encode(), 1)


def _parse(path: Path, file: BufferedReader, total: int) -> tuple[bytes, dict[str, Any]]:
    """The bytes before the data, and what they say."""
    length = file.read(8)
    size = int.from_bytes(length, "little")
    if len(length) < 8 or size > min(HEADER_LIMIT, total - 8):
        raise CheckpointError(f"{path}: truncated or no safetensors file: {total} bytes, header of {size} expected")
    text = file.read(size)
    try:
        header = json.loads(text, object_pairs_hook=_unique)
        entries = {name: found for name, found in header.items() if name != METADATA}
        for name, found in entries.items():
            shape, offsets = found["shape"], found["data_offsets"]
            if found["dtype"] not in DTYPES or not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
                raise ValueError(f"{name} is described by {found}")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header cannot be read: {error}") from error
    return length + text, header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _bytes(array: Array) -> memoryview:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def _counts(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _metadata(path: Path, header: dict[str, Any]) -> dict[str, str]:
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{path}: the metadata is not a mapping of strings")
    return metadata
