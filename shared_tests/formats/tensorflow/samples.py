"""Arrays made of chosen bits, and indices made by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import tensor_bundle_pb2

from constate.state import Array

DTYPES = (
    np.float64, np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2,
    np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8, np.complex64, np.complex128,
)  # fmt: skip
"""Those of which every pattern of bits is a value."""


def array(dtype: type) -> Array:
    """Bits of every kind: in the float types there are numbers, infinities and NaNs with payloads among them."""
    size = 12 * np.dtype(dtype).itemsize
    return np.frombuffer(bytes((255 - 37 * place) % 256 for place in range(size)), dtype).reshape(3, 4)


def checksum(data: bytes, folder: Path) -> bytes:
    """The masked CRC-32C, as TensorFlow puts it after a record."""
    path = folder / "record"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(data)
    raw = path.read_bytes()
    path.unlink()
    return raw[-4:]


def number(value: int) -> bytes:
    """A number of variable length."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def block(pairs: dict[bytes, bytes]) -> bytes:
    """A block of a table in which no names are shortened."""
    rows = b"".join(number(0) + number(len(k)) + number(len(v)) + k + v for k, v in pairs.items())
    return rows + struct.pack("<II", 0, 1)


def header(count: int = 1) -> bytes:
    """What stands first in an index."""
    made = tensor_bundle_pb2.BundleHeaderProto(num_shards=count)
    made.version.producer = 1
    return bytes(made.SerializeToString())


def entry(dtype: tf.DType, shape: list[int], size: int, crc: bytes = b"\0\0\0\0", **more: int) -> bytes:
    """What an index says of a tensor."""
    made = tensor_bundle_pb2.BundleEntryProto(dtype=dtype.as_datatype_enum, size=size, **more)
    made.crc32c = int.from_bytes(crc, "little")
    for length in shape:
        made.shape.dim.add(size=length)
    return bytes(made.SerializeToString())


def write_index(prefix: Path, rows: dict[bytes, bytes]) -> None:
    """An index with right checksums, whatever it says."""
    data = bytearray()

    def put(made: bytes) -> bytes:
        begin = len(data)
        data.extend(made + b"\0" + checksum(made + b"\0", prefix.parent))
        return number(begin) + number(len(made))

    first = put(block(rows))
    statistics = put(block({}))
    index = put(block({max(rows): first}))
    data.extend((statistics + index).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57))
    Path(f"{prefix}.index").write_bytes(data)
