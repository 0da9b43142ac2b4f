"""Files of ``torch.save``: state dicts and whole training checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO, ClassVar, cast

import torch

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import SEPARATOR_NOTE, Form, Format, Reader
from constate.checkpoint.replacing import replacing
from constate.state import Array
from constate_torch.formats import tensors
from constate_torch.formats.archive import Archive
from constate_torch.formats.spool import Spool
from constate_torch.formats.tree import leaves

PIECE = 32 << 20
ROOM = 1 << 20
"""Characters of names that any file may have, however small."""


class TorchReader(Reader):
    """A file of ``torch.save``. Only its index is read until an entry is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
        try:
            _require_zip(path, self._file)
            self._archive = Archive(self._file, str(path))
            limit = ROOM + 64 * self._archive.pickle_size
            self._tensors, self._texts = leaves(str(path), self._archive.root, limit)
            self._forms = {name: tensors.form(f"{path}: {name}", found) for name, found in self._tensors.items()}
            self._members = {
                name: self._archive.member(found, f"{path}: {name}") for name, found in self._tensors.items()
            }
        except BaseException:
            self.close()
            raise

    def entries(self) -> Mapping[str, Form]:
        return self._forms

    def read(self, name: str) -> Array:
        if name not in self._tensors:
            raise CheckpointError(f"{self.path}: {name}: there is no such entry")
        return self._archive.read(self._tensors[name], f"{self.path}: {name}")

    def metadata(self) -> Mapping[str, str]:
        """What is in the file and no tensor, by its path: the number of an epoch, the options of an optimizer."""
        return {SEPARATOR_NOTE: ".", **self._texts}

    def verify(self) -> Iterator[tuple[str, str]]:
        """The CRC-32 that the archive has of every member; a change of the archive's own headers that matters is
        refused when the file is opened."""
        holders: dict[str, list[str]] = {}
        for name, member in self._members.items():
            holders.setdefault(member, []).append(name)
        for member in self._archive.damaged():
            for name in holders.get(member, [""]):
                yield name, f"the bytes of {member} do not match their CRC-32"

    def close(self) -> None:
        self._file.close()


def _require_zip(path: Path, file: BinaryIO) -> None:
    start = file.read(4)
    if start[:2] == b"\x80\x02":
        raise CheckpointError(
            f"{path}: found the format of PyTorch before 1.6, which cannot be read in parts; write it again with "
            "torch.save(torch.load(path, weights_only=True), path)"
        )
    if start != b"PK\x03\x04":
        raise CheckpointError(f"{path}: begins with {start!r}, expected a zip archive of torch.save")


class Torch(Format):
    """``torch.save(state_dict, path)``."""

    name: ClassVar[str] = "torch"
    suffix: ClassVar[str] = ".pt"

    def open(self, path: Path) -> TorchReader:
        return TorchReader(path)

    def write(self, path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        """A plain state dict of tensors by dotted names.

        ``torch.save`` wants every tensor at once: the arrays are put on the disk as they come, beside the file, and
        saved from there, so that one of them is in memory at a time.
        """
        tensors.require_writable(dict(forms))
        folder = Path(os.path.realpath(path)).parent
        with replacing(path) as file, Spool(folder, forms, arrays) as spool:
            torch.save(spool.state, cast(IO[bytes], _Forgetting(file, spool)))


class _Forgetting:
    """A file that lets go of what has been written, piece by piece."""

    def __init__(self, file: FileIO, spool: Spool) -> None:
        self._file, self._spool = file, spool

    def write(self, data: bytes | memoryview) -> int:
        view = memoryview(data)
        for begin in range(0, len(view), PIECE):
            rest = view[begin : begin + PIECE]
            while rest:
                rest = rest[self._file.write(rest) :]
            if len(view) >= PIECE:
                self._spool.forget()
        return len(view)

    def flush(self) -> None:
        """Everything is written at once."""
