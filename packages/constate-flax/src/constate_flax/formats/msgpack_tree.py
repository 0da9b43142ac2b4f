"""What a file of ``flax.serialization`` holds, level by level: where its arrays lie, and all else as text."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate_flax.formats.arrays import DEEPEST, LONGEST, Names, possible, shown
from constate_flax.formats.wire import BINARY, EXTENSION, LIST, MAP, PLAIN, TEXT, Token, text, token

CHUNKED = "__msgpack_chunked_array__"
ROOM = 1 << 20
"""Characters of names that any file may have, however small."""


class Extension(IntEnum):
    """What Flax puts into MessagePack."""

    ARRAY = 1
    COMPLEX = 2
    SCALAR = 3


class Piece(NamedTuple):
    """Bytes of an array: all of them, or a chunk."""

    begin: int
    size: int


Found = tuple[Form, list[Piece]]


def walk(where: str, data: Any) -> tuple[dict[str, Found], dict[str, str]]:
    """The arrays by their paths, and what else there is as text.

    Raises:
        CheckpointError: it is truncated or goes on after its end, is nested too deep, or two names become one.
    """
    return _Walk(where, data).all()


class _Walk:
    def __init__(self, where: str, data: Any) -> None:
        self.where, self.data, self.size = where, data, len(data)
        self.names = Names(where, ROOM + 64 * self.size)
        self.arrays: dict[str, Found] = {}
        self.texts: dict[str, str] = {}

    def all(self) -> tuple[dict[str, Found], dict[str, str]]:
        end = self.value((), 0)
        if end != self.size:
            raise CheckpointError(f"{self.where}: found {self.size - end} bytes after the end at byte {end}")
        return self.arrays, self.texts

    def token(self, at: int) -> Token:
        return token(self.where, self.data, at, self.size)

    def value(self, keys: tuple[str, ...], at: int) -> int:
        """Note what stands at a place, and say where it ends."""
        if len(keys) > DEEPEST:
            raise CheckpointError(
                f"{self.where}: {shown('/'.join(keys[:3]))}…: is nested more than {DEEPEST} levels deep"
            )
        found = self.token(at)
        if found.kind == MAP and found.members:
            first = self.token(found.begin)
            if first.kind == TEXT and text(self.where, self.data, first) == CHUNKED:
                return self.chunked(keys, found)
            at = found.begin
            for key, inside in self.members(found):
                at = self.value((*keys, key), inside)
                self.next = at
            return at
        if found.kind == LIST and found.members:
            at = found.begin
            for number in range(found.members):
                at = self.value((*keys, str(number)), at)
            return at
        if found.kind == MAP and not keys:
            return found.end
        path = self.names.path(keys)
        if found.kind == EXTENSION and found.value in (Extension.ARRAY, Extension.SCALAR):
            form, piece = self.array(path, found)
            self.arrays[path] = (form, [piece])
        else:
            self.texts[path] = self.text(found)
        return found.end

    def members(self, found: Token) -> Iterator[tuple[str, int]]:
        """Each key and where its value begins; ``self.next`` is where that ended."""
        self.next = found.begin
        for _ in range(found.members):
            key = self.token(self.next)
            if key.kind == TEXT:
                yield text(self.where, self.data, key), key.end
            elif key.kind == PLAIN:
                yield str(key.value), key.end
            else:
                raise CheckpointError(f"{self.where}: found a {key.kind} as a key at byte {self.next}, expected a text")

    def array(self, path: str, found: Token) -> tuple[Form, Piece]:
        """An extension as Flax packs arrays: a list of the shape, the name of the dtype and the bytes."""
        where, stop = f"{self.where}: {shown(path)}", found.end
        outer = token(where, self.data, found.begin, stop)
        sizes = token(where, self.data, outer.end, stop)
        if (outer.kind, outer.members, sizes.kind) != (LIST, 3, LIST):
            raise CheckpointError(f"{where}: found another extension, expected a shape, a dtype and bytes")
        shape: list[int] = []
        at = sizes.end
        for _ in range(sizes.members):
            size = token(where, self.data, at, stop)
            if type(size.value) is not int or size.kind != PLAIN:
                raise CheckpointError(f"{where}: found a shape that is no list of numbers")
            shape.append(size.value)
            at = size.end
        dtype = token(where, self.data, at, stop)
        raw = token(where, self.data, dtype.end, stop)
        form = possible(where, tuple(shape), text(where, self.data, dtype))
        if raw.end != stop:
            raise CheckpointError(f"{where}: found {stop - raw.end} bytes after those of the array")
        if raw.kind not in (BINARY, TEXT) or raw.end - raw.begin != form.nbytes:
            raise CheckpointError(f"{where}: found {raw.end - raw.begin} bytes, expected {form.nbytes} for "
                                  f"{form.dtype}{list(form.shape)}")  # fmt: skip
        return form, Piece(raw.begin, form.nbytes)

    def chunked(self, keys: tuple[str, ...], found: Token) -> int:
        """An array that Flax broke up because it is larger than MessagePack's limit."""
        path = self.names.path(keys)
        where = f"{self.where}: {shown(path)}"
        shape: dict[str, int] = {}
        chunks: dict[str, tuple[Form, Piece]] = {}
        seen: list[str] = []
        for key, at in self.members(found):
            seen.append(key)
            inner = self.token(at)
            self.next = inner.end
            if key == CHUNKED and inner.kind == PLAIN:
                continue
            if inner.kind != MAP or key not in ("shape", "chunks"):
                raise CheckpointError(f"{where}: found {shown(key)} in a chunked array, expected a shape and chunks")
            for number, place in self.members(inner):
                item = self.token(place)
                if key == "shape" and item.kind == PLAIN and type(item.value) is int:
                    shape[number] = item.value
                elif key == "chunks" and item.kind == EXTENSION and item.value == Extension.ARRAY:
                    chunks[number] = self.array(path, item)
                else:
                    raise CheckpointError(f"{where}: found a {item.kind} in the {key} of a chunked array")
                self.next = item.end
        if sorted(seen) != sorted((CHUNKED, "shape", "chunks")) or not chunks:
            raise CheckpointError(f"{where}: a chunked array without shape or chunks")
        ordered = [chunks[number] for number in _numbered(where, chunks)]
        dtypes = {form.dtype for form, _ in ordered}
        form = possible(where, tuple(shape[number] for number in _numbered(where, shape)), ordered[0][0].dtype)
        if len(dtypes) > 1 or sum(piece.size for _, piece in ordered) != form.nbytes:
            raise CheckpointError(f"{where}: the chunks do not add up to {form.dtype}{list(form.shape)}")
        self.arrays[path] = (form, [piece for _, piece in ordered])
        return self.next

    def text(self, found: Token) -> str:
        """A value that is no array, in at most 200 characters."""
        if found.kind == MAP:
            return "{}"
        if found.kind == LIST:
            return "[]"
        if found.kind == PLAIN:
            return shown(found.value)
        raw = bytes(self.data[found.begin : min(found.end, found.begin + 4 * LONGEST)])
        if found.kind == TEXT:
            return shown(raw.decode(errors="replace"))
        if found.kind == EXTENSION and found.value == Extension.COMPLEX:
            return _complex(self.where, raw)
        return shown(raw if found.kind == BINARY else f"extension {found.value}: {raw!r}")


def _numbered(where: str, found: dict[str, Any]) -> list[str]:
    names = [str(number) for number in range(len(found))]
    if set(names) != set(found):
        raise CheckpointError(f"{where}: found parts {shown(list(found))}, expected them to be counted from 0")
    return names


def _complex(where: str, raw: bytes) -> str:
    parts = [token(where, raw, at, len(raw)) for at in (1, 10)] if len(raw) == 19 and raw[0] == 0x92 else []
    if [type(part.value) for part in parts] != [float, float]:
        raise CheckpointError(f"{where}: found a complex number that is no pair of numbers")
    return repr(complex(parts[0].value, parts[1].value))
