"""Checkpoints of any format, read and written entry by entry.

A format is found by what lies on disk, never by importing a framework; whoever knows how to read it is found by entry
point (group ``constate.formats``, named as the format) and imported then. A reader knows names, shapes and dtypes
before it reads any array, gives one array at a time, and runs no code that a file brings.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

from constate.checkpoint.formats.recognising import PACKAGES, recognise
from constate.checkpoint.layout import CheckpointError
from constate.checkpoint.policies import Policy
from constate.errors import Unsupported, UsageError, nearest
from constate.state import Array, dtype_named

GROUP = "constate.formats"
SEPARATOR_NOTE = "name_separator"
"""In the metadata of a reader: what stands between the levels of names in the file, where that is not ``/``. A format
that can write names so does, when it is given that; see ``Format.separators``."""


class Form(NamedTuple):
    """What is known of an entry before it is read."""

    shape: tuple[int, ...]
    dtype: str
    """As NumPy and ``ml_dtypes`` call it."""

    @property
    def size(self) -> int:
        """How many elements there are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return self.size * _itemsize(self.dtype)


@lru_cache(maxsize=64)
def _itemsize(dtype: str) -> int:
    return dtype_named(dtype).itemsize


class Reader(ABC):
    """An open checkpoint. Entries are named by their paths with ``/`` between levels.

    Every method raises ``CheckpointError`` for a file that is damaged or hostile, in one line that names the file and,
    where there is one, the entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def entries(self) -> Mapping[str, Form]:
        """Every entry in the order of the file, without reading any array."""

    @abstractmethod
    def read(self, name: str) -> Array:
        """The bits of one entry, in memory of its own."""

    def metadata(self) -> Mapping[str, str]:
        """What else the file says of itself, as text."""
        return {}

    def policies(self) -> Mapping[str, Policy]:
        """What the file says of its entries, and of those that are not in it; nothing where the format cannot."""
        return {}

    def verify(self) -> Iterator[tuple[str, str]]:
        """What is damaged: the entry (empty for the file itself) and how. Empty where every bit is as it was written.

        Raises:
            Unsupported: the format keeps no checksums, so that a changed bit cannot be seen; ``reason`` says so.
        """
        raise Unsupported(f"{type(self).__name__} files keep no checksum")

    def close(self) -> None:  # noqa: B027
        """Let go of the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class Format(ABC):
    """One way to keep a checkpoint on disk."""

    name: ClassVar[str]
    suffix: ClassVar[str]
    """What the names of such files end in; empty for a folder."""
    separators: ClassVar[str] = ""
    """What can stand between the levels of names in such files, where one may choose."""

    @abstractmethod
    def open(self, path: Path) -> Reader:
        """Open a checkpoint. Raises ``CheckpointError`` where it is none of this format."""

    def write(self, path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        """Write a checkpoint, whole or not at all: a temporary file or folder beside it, then a rename.

        Args:
            path: where; an existing file is replaced at once and only when the new one is complete.
            forms: every entry that there will be, in order, so that a writer can lay out its file beforehand.
            arrays: the same entries in the same order, one at a time; none is kept longer than it takes to write it
                where the format permits that.

        Raises:
            CheckpointError: the format cannot hold a name or a dtype, or the path cannot be written; nothing is left.
            Unsupported: checkpoints of this format are only read.
        """
        raise Unsupported(f"{self.name} checkpoints are read and not written")

    def write_with(
        self,
        path: Path,
        forms: Mapping[str, Form],
        arrays: Iterable[tuple[str, Array]],
        metadata: Mapping[str, str],
    ) -> dict[str, str]:
        """As ``write``, with what the source says of itself.

        Returns:
            What of that is not in the file: all of it, unless the format has a place for text.
        """
        self.write(path, forms, arrays)
        return dict(metadata)


def names() -> list[str]:
    """The formats that can be read with what is installed."""
    return sorted(point.name for point in entry_points(group=GROUP))


def get_format(name: str) -> Format:
    """The format of a name. Raises ``UsageError`` where it is unknown or its package is not installed."""
    for point in entry_points(group=GROUP, name=name):
        try:
            kind: type[Format] = point.load()
        except ImportError as error:
            raise UsageError(
                f"{name} checkpoints are read by {point.module}, which cannot be imported: {error}"
            ) from error
        return kind()
    if name in PACKAGES:
        raise UsageError(f"{name} checkpoints are read by {PACKAGES[name]}, which is not installed; install it")
    raise UsageError(f"unknown format {name!r}{nearest(name, PACKAGES)}")


def open_checkpoint(path: str | Path, format: str | None = None) -> Reader:
    """Open a checkpoint of any format.

    Args:
        path: a file, a folder, or the prefix of files that ``tf.train.Checkpoint`` writes.
        format: a name of ``names()``; found by what lies there when left out.

    Raises:
        CheckpointError: there is nothing, or nothing that is known, or it is damaged.
        UsageError: the format is unknown, or its package is not installed.
    """
    path = Path(path)
    chosen = format or recognise(path)
    if chosen is None:
        raise CheckpointError(f"{path}: found no checkpoint of a format that is known; expected one of: "
                              f"{', '.join(PACKAGES)}")  # fmt: skip
    return get_format(chosen).open(path)
