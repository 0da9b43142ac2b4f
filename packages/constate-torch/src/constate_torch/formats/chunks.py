"""The index of a distributed checkpoint: where each piece of each entry lies, checked against what is on the disk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from torch.distributed.checkpoint.metadata import BytesStorageMetadata, Metadata, MetadataIndex, TensorStorageMetadata

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate_torch.formats.pickles import load_metadata
from constate_torch.formats.tensors import NAMES, possible
from constate_torch.formats.tree import canonical

INDEX = ".metadata"


class Piece(NamedTuple):
    """A part of an entry, and the stretch of a file that holds it."""

    file: str
    offset: int
    length: int
    begin: tuple[int, ...]
    shape: tuple[int, ...]


class Index(NamedTuple):
    """What a folder holds, by canonical names."""

    forms: dict[str, Form]
    pieces: dict[str, list[Piece]]
    others: dict[str, Piece]
    """What is no tensor."""


def read_index(folder: Path) -> Index:
    """The index of a folder. No array is read.

    Raises:
        CheckpointError: it holds anything but an index, names files outside the folder or stretches beyond their end,
            or has pieces that are not, all together, as large as their entry.
    """
    path = folder / INDEX
    try:
        pickled = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    metadata = load_metadata(str(path), pickled)
    index = Index({}, {}, {})
    try:
        for name, pieces, form in _described(folder, metadata):
            if not name or name in index.forms or name in index.others:
                raise ValueError(f"{name!r}: two entries have this name, or it is empty")
            if form is None:
                index.others[name] = pieces[0]
            else:
                index.forms[name], index.pieces[name] = form, pieces
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path}: the index is refused: {' '.join(str(error).split())[:200]}") from error
    return index


def _described(folder: Path, metadata: Metadata) -> Iterator[tuple[str, list[Piece], Form | None]]:
    stored: dict[MetadataIndex, Any] = metadata.storage_data
    sizes: dict[str, int] = {}
    for key, described in metadata.state_dict_metadata.items():
        name = canonical(key)
        if type(described) is BytesStorageMetadata:
            yield name, [_piece(folder, sizes, stored[MetadataIndex(key)], (), ())], None
            continue
        if type(described) is not TensorStorageMetadata:
            raise ValueError(f"{name}: found {type(described).__name__}, expected the description of a tensor")
        dtype = NAMES.get(described.properties.dtype)
        if dtype is None:
            raise ValueError(f"{name}: dtype {described.properties.dtype}, expected one of {', '.join(NAMES.values())}")
        form = possible(name, Form(_numbers(described.size), dtype))
        pieces = [
            _piece(folder, sizes, stored[MetadataIndex(key, chunk.offsets)], chunk.offsets, chunk.sizes)
            for chunk in described.chunks
        ]
        _require_whole(name, form, pieces)
        yield name, pieces, form


def _piece(folder: Path, sizes: dict[str, int], info: Any, begin: Any, shape: Any) -> Piece:
    if getattr(info, "transform_descriptors", None):
        raise ValueError(f"it is transformed by {info.transform_descriptors}, expected it as it is")
    file = info.relative_path
    if file not in sizes:
        path = folder / file
        if Path(file).name != file or path.is_symlink() or not path.is_file():
            raise ValueError(f"{file!r} is no file in the folder")
        sizes[file] = path.stat().st_size
    offset, length = _numbers((info.offset, info.length))
    if offset + length > sizes[file]:
        raise ValueError(f"{file}: found {sizes[file]} bytes, expected {length} at {offset}")
    return Piece(file, offset, length, _numbers(begin), _numbers(shape))


def _numbers(values: Any) -> tuple[int, ...]:
    found = tuple(values)
    if not {*map(type, found)} <= {int} or min(found, default=0) < 0:
        raise ValueError(f"found {found}, expected sizes")
    return found


def _require_whole(name: str, form: Form, pieces: list[Piece]) -> None:
    """Pieces that lie within the entry and are as large as it are all of it, unless they overlap: seen on reading."""
    for _, _, _, begin, shape in pieces:
        fits = len(begin) == len(shape) == len(form.shape)
        if not fits or any(b + s > all for b, s, all in zip(begin, shape, form.shape, strict=True)):
            raise ValueError(f"{name}: a piece {list(shape)} at {list(begin)} is not within {list(form.shape)}")
    found = sum(math.prod(piece.shape) for piece in pieces)
    if found != form.size:
        raise ValueError(f"{name}: the pieces have {found} elements, expected {form.size}")
    if form.nbytes > (held := sum(piece.length for piece in pieces)):
        raise ValueError(f"{name}: is {form.nbytes} bytes, and its pieces have {held}")
