"""What an HDF5 file holds: arrays that lie in it as they are, and all else as text.

HDF5 can do more than keep arrays: links to other files, data in other files, arrays put together from those of other
files, filters that are loaded as plugins. Keras uses none of that, and none of it is followed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import h5py
import ml_dtypes
import numpy as np

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate.state import Array

DEEPEST = 64
LONGEST = 200
ATTRIBUTE = 1 << 16
"""Bytes of an attribute that is read."""
DIMENSIONS = 64
NOTE = "dtype"
"""The attribute by which Keras says that two opaque bytes are a bfloat16, which HDF5 has not. It gives it to nothing
else, so that its being there says enough."""


class Tree(NamedTuple):
    """The arrays by their paths in the file, and text by the paths of what it describes."""

    arrays: dict[str, h5py.Dataset]
    forms: dict[str, Form]
    texts: dict[str, str]


@contextmanager
def refusing(where: str) -> Iterator[None]:
    """Turns whatever h5py raises for a damaged file into a ``CheckpointError`` in one line."""
    try:
        yield
    except (
        OSError,
        KeyError,
        RuntimeError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        MemoryError,
    ) as error:
        raise CheckpointError(f"{where}: HDF5 refuses it: {' '.join(str(error).split())[:LONGEST]}") from error


def tree(where: str, file: h5py.File, size: int) -> Tree:
    """Everything in a file, with no array read.

    Args:
        where: what to call the file.
        file: it, open for reading.
        size: how many bytes it has.

    Raises:
        CheckpointError: there is a link that leads elsewhere or back, or an array that does not lie in the file as it
            is, all of it, or lies on another.
    """
    found = Tree({}, {}, {})
    with refusing(where):
        places: dict[int, tuple[int, int, str]] = {}
        for path, item in _walk(where, file, "", set()):
            found.texts.update(_attributes(path, item))
            if isinstance(item, h5py.Group):
                continue
            if not isinstance(item, h5py.Dataset):
                found.texts[path] = f"a {type(item).__name__}"
            elif (form := _form(f"{where}: {path}", item)) is None:
                found.texts[path] = f"{item.dtype}{list(item.shape or ())}"[:LONGEST]
            else:
                found.arrays[path], found.forms[path] = item, form
                if (place := _place(f"{where}: {path}", item, form.nbytes, size)) is not None:
                    places[h5py.h5o.get_info(item.id).addr] = (*place, path)
        _require_apart(where, list(places.values()))
    return found


def read(dataset: h5py.Dataset, form: Form) -> Array:
    """The bits of an array, in memory of their own."""
    found: Array = np.array(dataset[()]).reshape(form.shape)
    if not found.dtype.isnative:
        found = found.byteswap().view(found.dtype.newbyteorder())
    return found.view(ml_dtypes.bfloat16) if found.dtype.kind == "V" else found


def _walk(where: str, group: h5py.Group, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    address = h5py.h5o.get_info(group.id).addr
    if address in seen:
        raise CheckpointError(f"{where}: {path}: is a group that has another name too, or holds itself")
    seen.add(address)
    if path.count("/") >= DEEPEST:
        raise CheckpointError(f"{where}: {path[:LONGEST]}…: is nested more than {DEEPEST} levels deep")
    for name in group:
        inner = f"{path}/{name}" if path else name
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise CheckpointError(f"{where}: {inner}: is a {type(link).__name__} to {link.path!r}, expected it here")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _walk(where, item, inner, seen)
        else:
            yield inner, item
    yield path, group


def _attributes(path: str, item: Any) -> Iterator[tuple[str, str]]:
    """Text of variable length, such as the names of layers, lies in a heap, and libhdf5 1.14.6 crashes or runs for ever
    when that is damaged. So it is not read, only said to be there."""
    for name in item.attrs:
        if name == NOTE and isinstance(item, h5py.Dataset):
            continue
        attribute = item.attrs.get_id(name)
        kind = attribute.get_type()
        text = isinstance(kind, h5py.h5t.TypeStringID) and not kind.is_variable_str()
        number = isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID)
        read = (text or number) and attribute.get_storage_size() <= ATTRIBUTE
        yield (
            f"{path}@{name}",
            str(item.attrs[name])[:LONGEST] if read else "text of variable length, or large; not read",
        )


def _form(where: str, dataset: h5py.Dataset) -> Form | None:
    """What is known of an array; nothing where it is text or a table."""
    dtype = dataset.dtype
    if dataset.shape is None or dtype.hasobject or dtype.names or dtype.subdtype or dtype.kind not in "biufcV":
        return None
    name = str(dtype.newbyteorder("="))
    if dtype.kind == "V":
        if dtype.itemsize != 2 or NOTE not in dataset.attrs:
            raise CheckpointError(f"{where}: found {dtype.itemsize} bytes of no known dtype; expected numbers, or "
                                  "bfloat16 as Keras notes it")  # fmt: skip
        name = "bfloat16"
    shape = tuple(dataset.shape)
    if len(shape) > DIMENSIONS or math.prod(size for size in shape if size) * dtype.itemsize > np.iinfo(np.intp).max:
        raise CheckpointError(f"{where}: there can be no array {name}{list(shape)}")
    return Form(shape, name)


def _place(where: str, dataset: h5py.Dataset, nbytes: int, size: int) -> tuple[int, int] | None:
    """Where an array lies, if that is one stretch of the file."""
    plan = dataset.id.get_create_plist()
    if dataset.is_virtual or plan.get_external_count():
        raise CheckpointError(f"{where}: its data is in another file, expected it here")
    # Others than contiguous ones have made libhdf5 crash: https://github.com/HDFGroup/hdf5/issues/5892
    if plan.get_nfilters() or plan.get_layout() != h5py.h5d.CONTIGUOUS:
        raise CheckpointError(f"{where}: is chunked, compact or compressed; expected one stretch, as Keras writes it")
    held = dataset.id.get_storage_size()
    if nbytes > held or nbytes > size:
        raise CheckpointError(f"{where}: is {nbytes} bytes, of which the file of {size} has {held}")
    offset = dataset.id.get_offset() if nbytes else None
    if offset is None:
        return None
    if offset + nbytes > size:
        raise CheckpointError(f"{where}: its {nbytes} bytes at {offset} go beyond the file of {size}")
    return offset, offset + nbytes


def _require_apart(where: str, places: list[tuple[int, int, str]]) -> None:
    places.sort()
    for (_, end, path), (begin, _, other) in pairwise(places):
        if end > begin:
            raise CheckpointError(f"{where}: {other}: begins at {begin}, within {path}, which ends at {end}")
