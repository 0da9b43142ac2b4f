"""The tokens of a MessagePack file, one after the other, with long payloads left where they are.

The library would read a whole array to step over it; a token here is some twenty bytes.
https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from constate.checkpoint import CheckpointError

MAP, LIST, TEXT, BINARY, EXTENSION, PLAIN = "map", "list", "text", "binary", "extension", "plain"

SCALARS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
SIZED = {
    0xC4: (BINARY, 1), 0xC5: (BINARY, 2), 0xC6: (BINARY, 4),
    0xC7: (EXTENSION, 1), 0xC8: (EXTENSION, 2), 0xC9: (EXTENSION, 4),
    0xD9: (TEXT, 1), 0xDA: (TEXT, 2), 0xDB: (TEXT, 4),
    0xDC: (LIST, 2), 0xDD: (LIST, 4), 0xDE: (MAP, 2), 0xDF: (MAP, 4),
}  # fmt: skip
CONSTANTS: dict[int, Any] = {0xC0: None, 0xC2: False, 0xC3: True}


class Token(NamedTuple):
    """A value, or the head of one."""

    kind: str
    value: Any
    """Of a plain one: itself. Of an extension: its code."""
    members: int
    """Of a map or a list: how many are in it."""
    begin: int
    """Where its payload begins."""
    end: int
    """Where the next token begins; for a map or a list, its first."""


def token(where: str, data: Any, at: int, stop: int) -> Token:
    """The token at a place. Raises ``CheckpointError`` where there is none before ``stop``."""
    if at >= stop:
        raise CheckpointError(f"{where}: truncated at byte {at}, where a value was expected")
    head = data[at]
    if head <= 0x7F or head >= 0xE0:
        return Token(PLAIN, head if head <= 0x7F else head - 0x100, 0, at + 1, at + 1)
    if head in CONSTANTS:
        return Token(PLAIN, CONSTANTS[head], 0, at + 1, at + 1)
    if head in SCALARS:
        layout = SCALARS[head]
        last = at + 1 + struct.calcsize(layout)
        _require(where, last, stop, at)
        return Token(PLAIN, struct.unpack(layout, data[at + 1 : last])[0], 0, at + 1, last)
    kind, count, begin = _sized(where, data, at, stop)
    if kind in (MAP, LIST):
        # Each of its members takes at least a byte.
        _require(where, begin + (2 * count if kind == MAP else count), stop, at)
        return Token(kind, None, count, begin, begin)
    code = None
    if kind == EXTENSION:
        _require(where, begin + 1, stop, at)
        code, begin = struct.unpack(">b", data[begin : begin + 1])[0], begin + 1
    _require(where, begin + count, stop, at)
    return Token(kind, code, 0, begin, begin + count)


def _sized(where: str, data: Any, at: int, stop: int) -> tuple[str, int, int]:
    head = data[at]
    if 0x80 <= head <= 0x8F:
        return MAP, head & 0x0F, at + 1
    if 0x90 <= head <= 0x9F:
        return LIST, head & 0x0F, at + 1
    if 0xA0 <= head <= 0xBF:
        return TEXT, head & 0x1F, at + 1
    if 0xD4 <= head <= 0xD8:
        return EXTENSION, 1 << (head - 0xD4), at + 1
    if head not in SIZED:
        raise CheckpointError(f"{where}: found the byte {head:#x} at {at}, where a value was expected")
    kind, width = SIZED[head]
    _require(where, at + 1 + width, stop, at)
    return kind, int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width


def _require(where: str, end: int, stop: int, at: int) -> None:
    if end > stop:
        raise CheckpointError(f"{where}: truncated: what begins at byte {at} ends at {end}, expected at most {stop}")


def text(where: str, data: Any, found: Token) -> str:
    """The text of a token. Raises ``CheckpointError`` where it is none."""
    if found.kind != TEXT:
        raise CheckpointError(f"{where}: found a {found.kind} value at byte {found.begin}, expected a text")
    try:
        return bytes(data[found.begin : found.end]).decode()
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{where}: the text at byte {found.begin} is no UTF-8") from error


def binary_head(size: int) -> bytes:
    """What stands before binary data of a size, in the fewest bytes, as the library writes it."""
    for code, width in ((0xC4, 1), (0xC5, 2), (0xC6, 4)):
        if size < 1 << 8 * width:
            return bytes([code]) + size.to_bytes(width, "big")
    raise CheckpointError(f"found {size} bytes, expected less than {1 << 32}, which is the most that MessagePack holds")


def extension_head(size: int, code: int) -> bytes:
    """What stands before an extension of a size, in the fewest bytes, as the library writes it."""
    if size in (1, 2, 4, 8, 16):
        return bytes([0xD4 + size.bit_length() - 1, code])
    for head, width in ((0xC7, 1), (0xC8, 2), (0xC9, 4)):
        if size < 1 << 8 * width:
            return bytes([head]) + size.to_bytes(width, "big") + bytes([code])
    raise CheckpointError(f"found {size} bytes, expected less than {1 << 32}, which is the most that MessagePack holds")
