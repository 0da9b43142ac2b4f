"""Lengths and checksums that are put right after a change, so that the change is seen by what comes after them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import xxhash

BLANK = b"0" * 32
FOOTER, TRAILER, MASK = 48, 5, 0xA282EAD8
"""Of a table of LevelDB: the end that says where the index is; what follows each block; what is added to a CRC."""


def safetensors(data: bytes) -> bytes:
    """The length of the header, and the checksum of it in a container."""
    end = data.rfind(b"}") + 1
    header = re.sub(rb'("constate\.header"\s*:\s*")[0-9a-f]{32}"', rb"\g<1>" + BLANK + b'"', data[8:end], count=1)
    blanked = len(header).to_bytes(8, "little") + header
    checksum = xxhash.xxh3_128_hexdigest(blanked).encode()
    return blanked.replace(b'"' + BLANK + b'"', b'"' + checksum + b'"', 1) + data[end:].lstrip(b" ")


def table(data: bytes) -> bytes:
    """The checksums of the blocks of a table of LevelDB, as far as they can be found."""
    found = bytearray(data)
    try:
        at = len(found) - FOOTER
        for _ in range(2):
            _, at = _varint(found, at)
        index = _seal(found, at)
        at = index[0]
        for _ in range(64):
            _, at = _varint(found, at)
            fresh, at = _varint(found, at)
            length, at = _varint(found, at)
            if at + fresh + length > sum(index) - 8:
                break
            _seal(found, at + fresh)
            at += fresh + length
    except IndexError:
        pass
    return bytes(found)


def _seal(found: bytearray, at: int) -> tuple[int, int]:
    """Put right the checksum of the block whose place and size stand there."""
    begin, at = _varint(found, at)
    size, _ = _varint(found, at)
    end = begin + size + 1
    if end + 4 > len(found):
        raise IndexError
    crc = crc32c(bytes(found[begin:end]))
    found[end : end + 4] = ((((crc >> 15) | (crc << 17)) + MASK) & 0xFFFFFFFF).to_bytes(4, "little")
    return begin, size


def _varint(data: bytearray, at: int) -> tuple[int, int]:
    number = shift = 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1


def database(data: bytes) -> bytes:
    """The length and the checksum of a manifest of OCDBT; of another file, nothing.

    https://google.github.io/tensorstore/kvstore/ocdbt/index.html describes it.
    """
    if data[:4] != b"\x0c\xdb\x3a\x2a" or len(data) < 16:
        return data
    start = data[:4] + len(data).to_bytes(8, "little") + data[12:-4]
    return start + crc32c(start).to_bytes(4, "little")


@lru_cache(maxsize=1)
def _remainders() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        found.append(byte)
    return tuple(found)


def crc32c(data: bytes) -> int:
    """The CRC with the polynomial of Castagnoli."""
    remainders, crc = _remainders(), 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ remainders[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


MENDING: dict[str, Callable[[bytes], bytes]] = {
    "safetensors": safetensors,
    "constate": safetensors,
    "load": safetensors,
    "tensorflow": table,
    "saved-model": table,
    "orbax": database,
}
"""By format, where there are any."""
