"""Files that lie: each is refused in one line, before any memory is taken for what it claims."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from flax import serialization

from constate.checkpoint import CheckpointError
from constate_flax.formats.msgpack import Msgpack


def packed(shape: Any, dtype: Any, raw: Any, code: int = 1) -> msgpack.ExtType:
    """An array as Flax packs it, of any parts."""
    return msgpack.ExtType(code, msgpack.packb((shape, dtype, raw)))


def deep(levels: int) -> bytes:
    """A map in a map in a map, which the library itself would refuse to pack."""
    return b"\x81\xa1a" * levels + b"\xc0"


def chunked(**parts: Any) -> bytes:
    """A chunked array of any parts."""
    return bytes(msgpack.packb({"a": {"__msgpack_chunked_array__": True, **parts}}))


ONE = packed((1,), "int8", b"\1")
WHOLE = serialization.to_bytes({"a": np.arange(3.0), "b": {"c": np.ones(2)}})

FILES: dict[str, tuple[bytes, str]] = {
    "a map of 2**32 - 1": (b"\xdf\xff\xff\xff\xff", "truncated"),
    "a list of 2**32 - 1": (b"\x81\xa1a\xdd\xff\xff\xff\xff", "truncated"),
    "a text of 2**32 - 1": (b"\x81\xdb\xff\xff\xff\xff", "truncated"),
    "an extension of 2**32 - 1": (b"\x81\xa1a\xc9\xff\xff\xff\xff\x01", "truncated"),
    "a byte that is no head": (b"\x81\xa1a\xc1", "found the byte 0xc1"),
    "more after the end": (WHOLE + b"\0", "found 1 bytes after the end"),
    "cut short": (WHOLE[:-1], "truncated"),
    "deep maps": (deep(100_000), "nested more than 64 levels deep"),
    "deep lists": (b"\x81\xa1a" + b"\x91" * 100_000 + b"\xc0", "nested more than 64 levels deep"),
    "a name twice": (b"\x82\xa1a\xc0\xa1a\xc0", "a: two entries have this name"),
    "two names that become one": (msgpack.packb({"a/b": ONE, "a": {"b": ONE}}), "a/b: two entries have this name"),
    "a number and its text": (msgpack.packb({1: ONE, "1": ONE}), "1: two entries have this name"),
    "an empty name": (msgpack.packb({"": ONE}), "an empty name"),
    "a key that is a list": (b"\x81\x91\xc0\xc0", "found a list as a key"),
    "a name that is no text": (b"\x81\xa2\xff\xfe\xc0", "no UTF-8"),
    "names without end": (
        msgpack.packb({"k" * 60_000: dict.fromkeys(map(str, range(20_000)), 0)}),
        "has more names than its size can hold",
    ),
    "a single array": (msgpack.packb(ONE), "expected a mapping"),
    "a shape of 2**62": (msgpack.packb({"a": packed((2**62,), "int8", b"")}), "expected 4611686018427387904"),
    "an empty shape of 2**63": (msgpack.packb({"a": packed((2**63, 0), "int8", b"")}), "there can be no array"),
    "a shape below zero": (msgpack.packb({"a": packed((-1, -1), "int8", b"\0")}), "there can be no array"),
    "a shape of texts": (msgpack.packb({"a": packed(("1",), "int8", b"\0")}), "no list of numbers"),
    "65 dimensions": (msgpack.packb({"a": packed((1,) * 65, "int8", b"\0")}), "there can be no array"),
    "objects": (msgpack.packb({"a": packed((1,), "object", b"\0" * 8)}), "found dtype object"),
    "a dtype that is a function": (msgpack.packb({"a": packed((1,), "finfo", b"\0" * 8)}), "found dtype finfo"),
    "a dtype of two lines": (msgpack.packb({"a": packed((1,), "\n\x1b[2J", b"\0")}), r"found dtype \n\x1b[2J, "),
    "a dtype of fields": (msgpack.packb({"a": packed((1,), "i4,i4", b"\0" * 8)}), "found dtype i4,i4"),
    "too few bytes": (msgpack.packb({"a": packed((2,), "int8", b"\0")}), "found 1 bytes, expected 2"),
    "too many bytes": (msgpack.packb({"a": packed((2,), "int8", b"\0\0\0")}), "found 3 bytes, expected 2"),
    "bytes after the array": (
        msgpack.packb({"a": msgpack.ExtType(1, msgpack.packb(((1,), "int8", b"\0")) + b"\0")}),
        "found 1 bytes after those of the array",
    ),
    "no array in it": (msgpack.packb({"a": msgpack.ExtType(1, b"\xc0\xc0")}), "expected a shape, a dtype and bytes"),
    "an extension that ends early": (msgpack.packb({"a": msgpack.ExtType(1, b"\x93\x91")}), "truncated"),
    "half a complex number": (msgpack.packb({"a": msgpack.ExtType(2, b"\x92\x01")}), "no pair of numbers"),
    "no chunks": (chunked(shape={"0": 1}, chunks={}), "without shape or chunks"),
    "no shape": (chunked(chunks={"0": ONE}), "without shape or chunks"),
    "chunks that are missing": (chunked(shape={"0": 2}, chunks={"0": ONE, "2": ONE}), "counted from 0"),
    "chunks that do not add up": (chunked(shape={"0": 2**40}, chunks={"0": ONE}), "do not add up"),
    "chunks of two dtypes": (
        chunked(shape={"0": 2}, chunks={"0": ONE, "1": packed((1,), "uint8", b"\1")}),
        "do not add up",
    ),
    "chunks of no arrays": (chunked(shape={"0": 1}, chunks={"0": {}}), "found a map in the chunks"),
    "a chunked array within": (chunked(shape={"0": 1}, chunks={"0": ONE}, more=1), "found more in a chunked array"),
    "nothing": (b"", "cannot read"),
}  # fmt: skip


@pytest.mark.parametrize("what", FILES)
def test_it_is_refused(tmp_path: Path, what: str) -> None:
    raw, said = FILES[what]
    path = tmp_path / "m.msgpack"
    path.write_bytes(raw)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as error:
            Msgpack().open(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 900 + len(str(path))
    assert peak < (8 << 20) + 64 * len(raw)


def test_no_cut_and_no_changed_byte_is_another_error(tmp_path: Path) -> None:
    path = tmp_path / "m.msgpack"
    for end in range(1, len(WHOLE)):
        path.write_bytes(WHOLE[:end])
        with pytest.raises(CheckpointError):
            Msgpack().open(path)
    accepted = 0
    for place in range(len(WHOLE)):
        for value in (0, 0x7F, 0x80, 0xC1, 0xFF, WHOLE[place] ^ 1):
            path.write_bytes(WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :])
            try:
                with Msgpack().open(path) as reader:
                    assert sum(reader.read(name).nbytes for name in reader.entries()) <= len(WHOLE)
                accepted += 1
            except CheckpointError:
                pass
    assert accepted >= 200  # of 240: the bytes of the arrays are free


def test_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        Msgpack().open(tmp_path / "none")
