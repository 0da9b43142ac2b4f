"""A header of very many entries, looked through without an object for each of them.

JSON makes a dictionary, two lists and their numbers of each entry, which for thousands of them takes longer than all
else that is done to open a file. A header as it is written here has the same text between the names, dtypes, shapes and
offsets of all its entries, so that whole columns of them can be checked at once. What is not written like this is left
to JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

START = '{"__metadata__":'
QUOTES = 10
"""In the text of an entry: of its name, three keys and its dtype."""
DTYPE, SHAPE, OFFSETS, NEXT, END = b'":{"dtype":"', b'","shape":[', b'],"data_offsets":[', b']},"', b"]}}"
"""What stands before each part of an entry, before the next entry, and at the end."""

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


class Rows(Mapping[str, Any]):
    """The entries by name, each read when it is asked for."""

    def __init__(self, text: bytes, names: list[str], begins: Places, ends: Places, last: list[bytes]) -> None:
        self._text, self._begins, self._ends, self._last = text, begins, ends, last
        self._numbers = dict(zip(names, range(len(names)), strict=True))

    def forms(self) -> Iterator[tuple[str, bytes, int]]:
        """Of every entry its name, what is written of dtype and shape, and where its data ends."""
        begins, ends = self._begins.tolist(), self._ends.tolist()
        for name, begin, end, last in zip(self._numbers, begins, ends, self._last, strict=True):
            yield name, self._text[begin : self._text.rfind(OFFSETS, begin, end)], int(last)

    def __getitem__(self, name: str) -> Any:
        number = self._numbers[name]
        return json.loads(self._text[self._begins[number] : self._ends[number]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


class Scanned(NamedTuple):
    """What a header says, of which the ranges are known to be in order and without gaps."""

    rows: Mapping[str, Any]
    metadata: Any
    end: int
    """Where the data of the last entry ends."""


def scan(text: bytes, unique: Callable[[list[tuple[str, Any]]], Any]) -> Scanned | None:
    """What JSON would make of a header; nothing where it is written otherwise, or is wrong.

    Args:
        text: the header.
        unique: makes a mapping of pairs, and raises ``ValueError`` where a name stands in them twice.
    """
    try:
        metadata, start = json.JSONDecoder(object_pairs_hook=unique).raw_decode(text.decode("ascii"), len(START))
    except (ValueError, RecursionError):
        return None
    body: Bytes = np.frombuffer(text.rstrip(b" "), np.uint8)[start:]
    quotes: Places = np.flatnonzero(body == ord('"'))
    if not text.startswith(START.encode()) or not len(quotes) or len(quotes) % QUOTES:
        return None
    # With neither of these, a quote begins or ends a text wherever it stands.
    if (body < ord(" ")).any() or (body == ord("\\")).any():
        return None
    quote = quotes.reshape(-1, QUOTES).T
    ends = np.append(quote[0][1:] - NEXT.index(b'"'), len(body) - len(END))
    shapes, offsets = quote[5] + len(SHAPE), quote[8] - OFFSETS.index(b'"')
    written = (
        quote[0][0] == 1 and body[0] == ord(",") and bytes(body[-len(END) :]) == END
        and _stands(body, quote[1], DTYPE) and _stands(body, quote[5], SHAPE)
        and _stands(body, offsets, OFFSETS) and _stands(body, ends[:-1], NEXT)
        and _are_numbers(_taken(body, shapes, offsets), len(ends))
    )  # fmt: skip
    last = _last(_taken(body, offsets + len(OFFSETS), ends), len(ends)) if written else None
    if last is None:
        return None
    names = bytes(_taken(body, quote[0] + 1, quote[1])).decode().split('"')[:-1]
    rows = Rows(text, names, start + quote[1] + 2, start + ends + 2, last)
    if len(rows) != len(names) or START[2:-2] in rows:
        return None
    return Scanned(rows, metadata, int(last[-1]))


def _stands(body: Bytes, at: Places, expected: bytes) -> bool:
    """Whether that text begins at each of the places. It is compared as words, of which the last two may overlap."""
    size = max(width for width in (8, 4, 2, 1) if width <= len(expected))
    if not len(at):
        return True
    if at.max() + len(expected) > len(body):
        return False
    words: Any = np.ndarray(len(body) - size + 1, f"<u{size}", body, strides=(1,))  # one at every byte
    parts = [*range(0, len(expected) - size, size), len(expected) - size]
    return all(
        bool((words[at + part] == int.from_bytes(expected[part : part + size], "little")).all()) for part in parts
    )


def _taken(body: Bytes, begins: Places, ends: Places) -> Bytes:
    """The pieces between places, each with the byte after it."""
    sizes = ends + 1 - begins
    shifts = begins - (np.cumsum(sizes) - sizes)
    taken: Bytes = body[np.arange(sizes.sum()) + np.repeat(shifts, sizes)]
    return taken


def _are_numbers(taken: Bytes, lists: int) -> bool:
    """Whether there are so many lists of whole numbers as JSON has them, each with a bracket after it alone."""
    digit = (taken >= ord("0")) & (taken <= ord("9"))
    before, after = np.append(False, digit[:-1]), np.append(digit[1:], False)
    comma = taken == ord(",")
    bracket = taken == ord("]")
    wrong = ~(digit | comma | bracket) | comma & ~(before & after) | (taken == ord("0")) & ~before & after
    return not wrong.any() and np.count_nonzero(bracket) == lists


def _last(offsets: Bytes, pairs: int) -> list[bytes] | None:
    """The second of each pair of offsets; nothing unless they are pairs, of which each begins with what the one before
    ends with, and the first with 0. A number can be written in one way only."""
    marks = offsets[(offsets < ord("0")) | (offsets > ord("9"))]
    if not _are_numbers(offsets, pairs) or len(marks) != 2 * pairs or (marks[0::2] != ord(",")).any():
        return None
    numbers = bytes(offsets[:-1]).replace(b"]", b",").split(b",")
    last = numbers[1::2]
    return last if numbers[0::2] == [b"0", *last[:-1]] else None
