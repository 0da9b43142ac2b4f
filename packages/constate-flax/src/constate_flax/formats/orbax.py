"""Folders of Orbax, read in one process whatever the number of devices that wrote them."""

from __future__ import annotations

import errno
import math
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import orbax.checkpoint as ocp
import tensorstore

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, Format, Reader
from constate.checkpoint.replacing import put_folder
from constate.errors import Unsupported
from constate.state import Array, describe, dtype_named
from constate_flax.formats.arrays import DTYPES, nested, possible, shown
from constate_flax.formats.orbax_folder import INDEX, STEP, Place, contents

RATIO = 1 << 16
"""How much larger an array may be than all files of its folder: Zstandard makes 128 KiB of zeros four bytes."""
ROOM = 1 << 20
NOT_IN_ZARR = ("float8_e4m3", "uint2", "uint4")
COMPRESSOR = {"id": "zstd", "level": 1}
"""As Orbax has it."""
TOGETHER = 64 << 20
"""Bytes of arrays that are put into the database at once."""


class OrbaxReader(Reader):
    """A folder of ``StandardCheckpointer`` or ``PyTreeCheckpointer``, or a step of ``CheckpointManager``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._places, self._texts, size = contents(path)
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
        self._limit = ROOM + RATIO * size
        self._context = tensorstore.Context({"cache_pool": {"total_bytes_limit": ROOM}})
        self._forms: dict[str, Form] | None = None

    def entries(self) -> Mapping[str, Form]:
        if self._forms is None:
            self._forms = {name: self._form(name, self._open(name)) for name in self._places}
        return self._forms

    def _open(self, name: str) -> Any:
        place = self._places[name]
        try:
            return tensorstore.open(_spec(place), open=True, read=True, context=self._context).result()
        except (ValueError, OSError, NotImplementedError, TypeError) as error:
            raise self._refused(name, error) from error

    def _form(self, name: str, store: Any) -> Form:
        """The form. Raises ``CheckpointError`` where the array, or what must be in memory to read a part of it, is
        larger than the folder could hold."""
        where = f"{self.path}: {shown(name)}"
        form = possible(where, tuple(store.shape), store.dtype.name)
        chunk = math.prod(size or 1 for size in store.chunk_layout.read_chunk.shape or ())
        needed = max(form.nbytes, chunk * dtype_named(form.dtype).itemsize)
        if needed > self._limit:
            raise CheckpointError(f"{where}: would take {needed} bytes, expected at most {self._limit} in a folder of "
                                  "this size")  # fmt: skip
        return form

    def _refused(self, name: str, error: Exception) -> CheckpointError:
        # The first sentence says what is wrong; what follows are the places in TensorStore's source.
        said = " ".join(str(error).split()).partition(" [")[0]
        return CheckpointError(f"{self.path}: {shown(name)}: cannot be read: {said[:300]}")

    def read(self, name: str) -> Array:
        if name not in self._places:
            raise CheckpointError(f"{self.path}: {name}: there is no such entry")
        store = self._open(name)
        form = self._form(name, store)
        whole: Array = np.empty(form.shape, dtype_named(form.dtype))
        try:
            whole[...] = store.read(order="C").result()
        except (ValueError, OSError, NotImplementedError) as error:
            raise self._refused(name, error) from error
        return whole

    def metadata(self) -> Mapping[str, str]:
        """What is in the folder and no array, by its path."""
        return self._texts

    def verify(self) -> Iterator[tuple[str, str]]:
        """What cannot be read. Where all can be, a changed bit of an array is not seen, and ``Unsupported`` says so:
        TensorStore keeps checksums of the index of its database, and none of the arrays in it."""
        damaged = False
        for name in self._places:
            try:
                self.read(name)
            except CheckpointError as error:
                damaged = True
                yield name, str(error).removeprefix(f"{self.path}: {shown(name)}: ")
        if not damaged:
            raise Unsupported("Orbax keeps no checksums of arrays; every one of them is there and can be read")


def _spec(place: Place) -> dict[str, Any]:
    base = {"driver": "file", "path": f"{Path(os.path.realpath(place.folder))}/"}
    if place.packed:
        store: dict[str, Any] = {"driver": "ocdbt", "base": base, "path": f"{place.key}/"}
    else:
        store = {**base, "path": f"{base['path']}{place.key}/"}
    return {"driver": place.driver, "kvstore": store, "fill_missing_data_reads": not place.complete}


class Orbax(Format):
    """``orbax.checkpoint.StandardCheckpointer().save(folder, tree)``."""

    name: ClassVar[str] = "orbax"
    suffix: ClassVar[str] = ""

    def open(self, path: Path) -> OrbaxReader:
        return OrbaxReader(path)

    def write(self, path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        """A folder that ``StandardCheckpointer`` restores, of nested dictionaries. Some arrays are in memory at a
        time: Orbax, which wants all of them at once, saves the tree with a number in the place of each, and
        TensorStore, with which it does so, then puts the arrays there."""
        tree = _tree(path, forms)
        path = Path(os.path.realpath(path))
        if path.exists() and not _replaceable(path):
            raise CheckpointError(f"cannot write {path}: it is there and is no Orbax folder; choose another path")
        temporary = path.with_name(f".constate-{secrets.token_hex(8)}")
        try:
            if not path.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            saver = ocp.Checkpointer(ocp.StandardCheckpointHandler())
            saver.save(temporary, tree)
            saver.close()
            _fill(path, temporary, forms, arrays)
            _flush(temporary)
            put_folder(temporary, path)
        except OSError as error:
            raise CheckpointError(f"cannot write {path}: {error.strerror or error}; choose a folder that exists, is "
                                  "writable and has room") from error  # fmt: skip
        finally:
            for left in (temporary, temporary.with_name(f"{temporary.name}.orbax-checkpoint-tmp")):
                shutil.rmtree(left, ignore_errors=True)


def _replaceable(path: Path) -> bool:
    """Whether it is an Orbax folder or an empty one."""
    return path.is_dir() and ((path / INDEX).is_file() or (path / STEP).is_file() or not any(path.iterdir()))


def _tree(path: Path, forms: Mapping[str, Form]) -> dict[str, Any]:
    """The levels. Raises ``CheckpointError`` where Orbax has no such dtype or shape, or two names become one."""
    keys: dict[str, str] = {}
    for name, form in forms.items():
        if 0 in form.shape:
            raise CheckpointError(f"cannot write {path}: {name}: Orbax stores no empty arrays; found {form.dtype}"
                                  f"{list(form.shape)}")  # fmt: skip
        if (other := keys.setdefault(name.replace("/", "."), name)) != name:
            raise CheckpointError(f"cannot write {path}: {name}: Orbax would put it in the place of {other}")
        if {"", ".", ".."} & {*name.split("/")}:
            raise CheckpointError(f"cannot write {path}: {name!r}: an entry of this name cannot be stored")
    if not forms:
        raise CheckpointError(f"cannot write {path}: Orbax stores no empty tree; found no entries")
    return _numbers(nested(path, forms, [dtype for dtype in DTYPES if dtype not in NOT_IN_ZARR]))


def _numbers(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with a number in the place of each array."""
    return {key: _numbers(value) if isinstance(value, dict) else np.zeros((), np.int8) for key, value in tree.items()}


def _fill(path: Path, folder: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
    """Put the arrays in the places of the numbers, some at a time."""
    missing, waiting, together = dict(forms), 0, tensorstore.Transaction()
    for name, array in arrays:
        expected = missing.pop(name, None)
        if expected is None or (array.shape, str(array.dtype)) != expected:
            raise CheckpointError(f"cannot write {path}: {name}: found {describe(array)}, expected {expected}")
        place = Place(folder, name.replace("/", "."), packed=True, driver="zarr", complete=True)
        store = tensorstore.open(
            {**_spec(place), "metadata": {"compressor": COMPRESSOR}, "store_data_equal_to_fill_value": True},
            create=True,
            delete_existing=True,
            dtype=array.dtype,
            shape=array.shape,
            transaction=together,
        ).result()
        store.write(array).result()
        waiting += array.nbytes
        del array, store  # before the next one is made
        if waiting >= TOGETHER:
            _commit(path, together)
            waiting, together = 0, tensorstore.Transaction()
    if missing:
        raise CheckpointError(f"cannot write {path}: {min(missing)}: the source did not give it")
    _commit(path, together)


def _commit(path: Path, together: Any) -> None:
    try:
        together.commit_sync()
    except ValueError as error:  # TensorStore's word for whatever the disk refuses
        raise CheckpointError(f"cannot write {path}: {' '.join(str(error).split())[:300]}") from error


def _flush(folder: Path) -> None:
    """Wait until everything is on the disk."""
    for found in [folder, *folder.rglob("*")]:
        handle = os.open(found, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
