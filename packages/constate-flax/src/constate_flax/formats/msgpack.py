"""Files of ``flax.serialization.to_bytes`` and ``msgpack_serialize``, read without a model and an array at a time."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, Format, Reader
from constate.checkpoint.replacing import replacing
from constate.state import Array, dtype_named
from constate_flax.formats.msgpack_tree import Piece, walk
from constate_flax.formats.msgpack_writing import write


class MsgpackReader(Reader):
    """A file of ``flax.serialization``. Only its heads are read until an entry is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            with path.open("rb") as file:
                self._data: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            raise CheckpointError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
        try:
            self._pieces, self._texts = walk(str(path), self._data)
        except BaseException:
            self.close()
            raise
        self._forms = {name: form for name, (form, _) in self._pieces.items()}

    def entries(self) -> Mapping[str, Form]:
        return self._forms

    def read(self, name: str) -> Array:
        if name not in self._pieces:
            raise CheckpointError(f"{self.path}: {name}: there is no such entry")
        form, pieces = self._pieces[name]
        whole: Array = np.empty(form.shape, dtype_named(form.dtype))
        raw = whole.reshape(-1).view(np.uint8)
        done = 0
        for piece in pieces:
            raw[done : done + piece.size] = self._bytes(piece)
            done += piece.size
        return whole

    def _bytes(self, piece: Piece) -> Array:
        return np.frombuffer(self._data, np.uint8, piece.size, piece.begin) if piece.size else np.empty(0, np.uint8)

    def metadata(self) -> Mapping[str, str]:
        """What is in the file and no array, by its path: the number of a step, the options of an optimizer."""
        return self._texts

    def close(self) -> None:
        self._data.close()


class Msgpack(Format):
    """``flax.serialization.to_bytes(tree)``, in a file."""

    name: ClassVar[str] = "msgpack"
    suffix: ClassVar[str] = ".msgpack"

    def open(self, path: Path) -> MsgpackReader:
        return MsgpackReader(path)

    def write(self, path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        """The bytes that ``flax.serialization.to_bytes`` gives for nested dictionaries of these arrays. One array is
        in memory at a time: every one has its place before the first one comes."""
        with replacing(path) as file:
            write(path, file.fileno(), forms, arrays)
