"""The container: a safetensors file in which nothing can change unseen.

Any reader of safetensors opens it. Arrays start on 64-byte boundaries as far as the format, which allows no holes,
permits. The metadata carries a checksum (XXH3-128) of every array and one of the header, so that a file with any bit
changed is refused. Writing is a temporary file, fsync and an atomic rename; equal state gives equal bytes.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
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

    Raises:
        CheckpointError: a dtype that safetensors cannot hold, or a path that cannot be written.
    """
    contiguous = {}
    for name, array in arrays.items():
        if str(array.dtype) not in CODES:
            raise CheckpointError(f"{name}: dtype {array.dtype} cannot be stored; expected one of {', '.join(CODES)}")
        contiguous[name] = np.ascontiguousarray(array).reshape(array.shape)
    # Arrays whose size is a multiple of the alignment come first, so that each of them, and the one after them, is
    # aligned; the rest by falling item size, which keeps every array on a multiple of its own item size.
    names = sorted(contiguous, key=lambda n: (contiguous[n].nbytes % ALIGNMENT != 0, -contiguous[n].itemsize, n))
    header = _header({name: contiguous[name] for name in names}, metadata or {})
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path}: {error.strerror}; choose a folder that exists and is writable"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(header)
            for name in names:
                file.write(contiguous[name].tobytes())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Read a container whole: its arrays and its metadata.

    Raises:
        CheckpointError: the file is no safetensors file, is truncated, or a checksum does not match; the message
            names the entry.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    header, start = _parse(path, raw)
    metadata = _metadata(path, header)
    claimed = metadata.get(HEADER_CHECKSUM)
    if claimed is None:
        raise CheckpointError(f"{path}: has no constate checksums; found a plain safetensors file or a damaged header")
    blanked = raw[:start].replace(f'"{claimed}"'.encode(), f'"{BLANK}"'.encode(), 1)
    if xxhash.xxh3_128_hexdigest(blanked) != claimed:
        raise CheckpointError(
            f"{path}: the header does not match its checksum; the file is damaged, restore it from a copy"
        )
    arrays = {}
    end = 0
    for name, found in header.items():
        dtype = dtype_named(DTYPES[found["dtype"]])
        shape = tuple(found["shape"])
        first, last = found["data_offsets"]
        if first != end or last - first != dtype.itemsize * int(np.prod(shape, dtype=object)):
            raise CheckpointError(f"{path}: {name}: offsets {first}..{last} do not fit {dtype}{list(shape)}")
        data = raw[start + first : start + last]
        if len(data) != last - first:
            raise CheckpointError(f"{path}: {name}: truncated, found {len(data)} bytes, expected {last - first}")
        if xxhash.xxh3_128_hexdigest(data) != metadata.get(ENTRY_CHECKSUM + name):
            raise CheckpointError(f"{path}: {name}: the data does not match its checksum; the file is damaged")
        arrays[name] = np.frombuffer(data, dtype).reshape(shape).copy()
        end = last
    if start + end != len(raw):
        raise CheckpointError(f"{path}: found {len(raw) - start} bytes of data, expected {end}")
    own = {key: value for key, value in metadata.items() if not key.startswith("constate.")}
    return arrays, own


def _header(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    checksums = {ENTRY_CHECKSUM + n: xxhash.xxh3_128_hexdigest(a.tobytes()) for n, a in arrays.items()}
    header: dict[str, Any] = {"__metadata__": {**metadata, **checksums, HEADER_CHECKSUM: BLANK}}
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


def _parse(path: Path, raw: bytes) -> tuple[dict[str, Any], int]:
    size = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or size > min(HEADER_LIMIT, len(raw) - 8):
        raise CheckpointError(f"{path}: truncated or no safetensors file: {len(raw)} bytes, header of {size} expected")
    try:
        header = json.loads(raw[8 : 8 + size])
        entries = {name: found for name, found in header.items() if name != "__metadata__"}
        for name, found in entries.items():
            shape, offsets = found["shape"], found["data_offsets"]
            if found["dtype"] not in DTYPES or not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
                raise ValueError(f"{name} is described by {found}")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header cannot be read: {error}") from error
    return header, 8 + size


def _counts(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _metadata(path: Path, header: dict[str, Any]) -> dict[str, str]:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{path}: the metadata is not a mapping of strings")
    return metadata
