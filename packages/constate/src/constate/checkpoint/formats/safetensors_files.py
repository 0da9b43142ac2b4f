"""One file of safetensors, read an entry at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import xxhash

from constate.checkpoint import layout, policies, sharing
from constate.checkpoint.formats import SEPARATOR_NOTE, Form, Reader
from constate.checkpoint.formats.safetensors_header import described
from constate.checkpoint.layout import CheckpointError, Row
from constate.checkpoint.policies import Policy
from constate.errors import Unsupported
from constate.state import SEPARATOR, Array, aligned, name_of

PIECE = 8 << 20
"""Bytes that are read at a time where an entry need not be in memory as a whole."""
DOT = "."


class FileReader(Reader):
    """Arrays are read from the file when they are asked for, each with its own range.

    Names with dots, in a file that has no slash in any name, are those of PyTorch: each dot stands between two levels.
    The metadata says so (``name_separator``), so that a file can be written with the same names again. In a container
    names stand as they are.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            if not path.is_file():
                raise CheckpointError(f"{path}: found no file there, expected a safetensors file")
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
        try:
            self._start, self._listed, self._metadata, self._checksums = described(path, self._file.fileno())
            sharing.require_alike(path, self.shared(), self.bits())
        except OSError as error:
            self.close()
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
        except CheckpointError:
            self.close()
            raise
        self.separate(self._checksums is None and are_dotted(self.names()))

    def separate(self, dotted: bool) -> None:
        """Say whether dots stand between levels: of a part of a checkpoint, its own names do not tell."""
        self._dotted = dotted
        self._rows = {row.name.replace(DOT, SEPARATOR) if dotted else row.name: row for row in self._listed}

    def names(self) -> Iterator[str]:
        """The names as they stand in the file."""
        return (row.name for row in self._listed)

    @property
    def unchecked(self) -> str:
        """The file, where it keeps no checksums, else nothing."""
        return str(self.path) if self._checksums is None else ""

    def entries(self) -> Mapping[str, Form]:
        return {name: Form(row.shape, name_of(row.dtype)) for name, row in self._rows.items()}

    def metadata(self) -> Mapping[str, str]:
        """What the writer noted, without the checksums and policies."""
        own = layout.SUMS | ({layout.ENTRIES} if self._checksums is not None else set())
        noted = {key: value for key, value in self._metadata.items() if key not in own}
        return noted | ({SEPARATOR_NOTE: DOT} if self._dotted else {})

    def policies(self) -> Mapping[str, Policy]:
        if self._checksums is None:
            return {}
        return policies.decode(self.path, self._metadata.get(layout.ENTRIES, ""), self._checksums)

    def shared(self) -> list[list[str]]:
        """Names that are one array."""
        if self._checksums is None:
            return []
        return sharing.decode(self.path, self._metadata.get(layout.SHARED, ""))

    def bits(self) -> dict[str, object]:
        """By name, what is equal for equal arrays; nothing where no name is shared."""
        sums = self._checksums if self.shared() else None
        return {row.name: (sums[row.name], row.dtype, row.shape) for row in self._listed} if sums else {}

    def read(self, name: str) -> Array:
        row = self._rows.get(name)
        if row is None:
            raise CheckpointError(f"{self.path}: {name}: there is no such entry")
        memory = aligned(row.last - row.first)
        self._fill(memory, row, row.first)
        if self._checksums and xxhash.xxh3_128_hexdigest(memory.data) != self._checksums[row.name]:
            raise CheckpointError(f"{self.path}: {name}: {_DAMAGED}")
        return memory.view(row.dtype).reshape(row.shape)

    def verify(self) -> Iterator[tuple[str, str]]:
        if self._checksums is None:
            raise Unsupported("plain safetensors files keep no checksums")
        return self._damaged(self._checksums)

    def close(self) -> None:
        self._file.close()

    def _damaged(self, checksums: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        memory = aligned(PIECE)
        for name, row in self._rows.items():
            found = xxhash.xxh3_128()
            try:
                for first in range(row.first, row.last, PIECE):
                    piece = memory[: min(PIECE, row.last - first)]
                    self._fill(piece, row, first)
                    found.update(piece.data)
            except CheckpointError as error:
                yield name, str(error)
                continue
            if found.hexdigest() != checksums[row.name]:
                yield name, _DAMAGED

    def _fill(self, memory: Array, row: Row, first: int) -> None:
        """Fill memory with what stands in the data from an offset on."""
        at, rest = self._start + first, memory.data
        try:
            while rest:
                got = os.preadv(self._file.fileno(), [rest], at)
                if not got:
                    raise CheckpointError(f"{self.path}: {row.name}: truncated while it was read")
                at, rest = at + got, rest[got:]
        except OSError as error:
            raise CheckpointError(f"cannot read {self.path}: {row.name}: {error.strerror}") from error


_DAMAGED = "the data does not match its checksum; the file is damaged"


def are_dotted(names: Iterable[str]) -> bool:
    """Whether dots stand between the levels of names: there are some, and no name has a slash."""
    dots = False
    for name in names:
        if SEPARATOR in name:
            return False
        dots = dots or DOT in name
    return dots
