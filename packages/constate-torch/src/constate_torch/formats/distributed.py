"""Folders of ``torch.distributed.checkpoint``, read in one process whatever the number of those that wrote them."""

from __future__ import annotations

import secrets
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

import numpy as np
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.metadata import MetadataIndex
from torch.distributed.checkpoint.state_dict_saver import save

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import SEPARATOR_NOTE, Form, Format, Reader
from constate.checkpoint.formats.zipped import Window
from constate.checkpoint.replacing import put_folder
from constate.state import Array, dtype_named
from constate_torch.formats import tensors
from constate_torch.formats.archive import Archive
from constate_torch.formats.chunks import INDEX, Piece, read_index
from constate_torch.formats.spool import Spool
from constate_torch.formats.tree import text


class DistributedReader(Reader):
    """A folder with an index and the pieces of its entries, each an archive of ``torch.save`` within a larger file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._index = read_index(path)

    def entries(self) -> Mapping[str, Form]:
        return self._index.forms

    def read(self, name: str) -> Array:
        if name not in self._index.forms:
            raise CheckpointError(f"{self.path}: {name}: there is no such entry")
        form, pieces = self._index.forms[name], self._index.pieces[name]
        if len(pieces) == 1:
            return self._read(name, form, pieces[0])
        whole: Array = np.empty(form.shape, dtype_named(form.dtype))
        filled = np.zeros(form.shape, np.bool_)
        for piece in pieces:
            there = tuple(slice(b, b + s) for b, s in zip(piece.begin, piece.shape, strict=True))
            if filled[there].any():
                raise CheckpointError(f"{self.path}: {name}: two pieces overlap at {list(piece.begin)}")
            filled[there] = True
            whole[there] = self._read(name, form, piece)
        return whole

    def _read(self, name: str, form: Form, piece: Piece) -> Array:
        where = f"{self.path}: {name}"
        with self._open(piece) as file:
            archive = Archive(file, where)
            found = Tensor.detach(archive.root) if isinstance(archive.root, Tensor) else archive.root
            if not isinstance(found, Tensor) or tensors.form(where, found) != Form(piece.shape, form.dtype):
                raise CheckpointError(
                    f"{where}: found {text(found)} in {piece.file}, expected {form.dtype}{list(piece.shape)}"
                )
            return archive.read(found, where)

    def _open(self, piece: Piece) -> BinaryIO:
        try:
            return cast(BinaryIO, _Part(self.path / piece.file, piece))
        except OSError as error:
            raise CheckpointError(f"cannot read {self.path / piece.file}: {error.strerror}") from error

    def metadata(self) -> Mapping[str, str]:
        """What is in the folder and no tensor, by its path."""
        found = {SEPARATOR_NOTE: "."}
        for name, piece in self._index.others.items():
            with self._open(piece) as file:
                found[name] = text(Archive(file, f"{self.path}: {name}").root)
        return found

    def verify(self) -> Iterator[tuple[str, str]]:
        """The CRC-32 of every piece. The index has no checksum; it must agree with the pieces in shapes and dtypes,
        and a change of a name or of where a piece belongs is not seen where it still fits."""
        for name, pieces in {**self._index.pieces, **{n: [p] for n, p in self._index.others.items()}}.items():
            for piece in pieces:
                try:
                    with self._open(piece) as file:
                        archive = Archive(file, f"{self.path}: {name}")
                        damaged = archive.damaged()
                except CheckpointError as error:
                    yield name, str(error)
                    continue
                if damaged:
                    yield name, f"the bytes of {', '.join(damaged)} in {piece.file} do not match their CRC-32"


class _Part(Window):
    """A piece of a file that is closed with it."""

    def __init__(self, path: Path, piece: Piece) -> None:
        self._whole = path.open("rb")
        super().__init__(self._whole, piece.offset, piece.length)

    def close(self) -> None:
        self._whole.close()
        super().close()


class _Planner(DefaultSavePlanner):
    """Lets go of what has been written: the writer itself keeps every tensor until the end."""

    def __init__(self, spool: Spool) -> None:
        super().__init__(flatten_state_dict=False)
        self._spool = spool

    def lookup_object(self, index: MetadataIndex) -> Any:
        self._spool.forget()
        return super().lookup_object(index)


class TorchDistributed(Format):
    """``torch.distributed.checkpoint.save(state_dict, checkpoint_id=folder)``."""

    name: ClassVar[str] = "torch-distributed"
    suffix: ClassVar[str] = ""

    def open(self, path: Path) -> DistributedReader:
        return DistributedReader(path)

    def write(self, path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        """A folder as one process writes it, of tensors by dotted names.

        As with a single file, the arrays go by way of the disk, so that one of them is in memory at a time.
        """
        tensors.require_writable(dict(forms))
        if path.exists() and not ((path / INDEX).is_file() or (path.is_dir() and not any(path.iterdir()))):
            raise CheckpointError(f"cannot write {path}: it is there and is no distributed checkpoint")
        temporary = path.with_name(f".constate-{secrets.token_hex(8)}")
        try:
            with Spool(path.parent, forms, arrays) as spool:
                _save(temporary, spool)
            put_folder(temporary, path)
        except OSError as error:
            raise CheckpointError(f"cannot write {path}: {error.strerror}; choose a folder with room") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _save(folder: Path, spool: Spool) -> None:
    # No copying ahead, so that one tensor at a time is in memory whatever devices there are.
    writer = FileSystemWriter(folder, per_thread_copy_ahead=0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")
            save(spool.state, storage_writer=writer, planner=_Planner(spool), no_dist=True)
    except CheckpointException as error:
        raise next(iter(error.failures.values()))[0] from None
