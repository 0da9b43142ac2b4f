"""``.weights.h5``: what ``model.save_weights`` writes and ``model.load_weights`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, Format, Reader
from constate.checkpoint.replacing import replacing
from constate.errors import Unsupported
from constate.state import Array
from constate_keras.formats.tree import NOTE, read, refusing, tree

STORED = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
          "uint64", "uint32", "uint16", "uint8", "bool", "complex64", "complex128")  # fmt: skip
VARIABLES = "vars"
"""The group in which Keras keeps the variables of a layer: ``layers/dense/vars/0``."""


class WeightsReader(Reader):
    """A file of HDF5. Names are its own paths.

    Args:
        path: what to call it.
        file: where its bytes are; ``path`` if nothing else is given.
        size: how many bytes it has.
    """

    def __init__(self, path: Path, file: Any = None, size: int | None = None) -> None:
        super().__init__(path)
        try:
            size = path.stat().st_size if size is None else size
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
        with refusing(str(path)):
            self._file = h5py.File(path if file is None else file, "r")
        try:
            self._arrays, self._forms, self._texts = tree(str(path), self._file, size)
        except BaseException:
            self.close()
            raise

    def entries(self) -> Mapping[str, Form]:
        return self._forms

    def read(self, name: str) -> Array:
        if name not in self._arrays:
            raise CheckpointError(f"{self.path}: {name}: there is no such entry")
        with refusing(f"{self.path}: {name}"):
            return read(self._arrays[name], self._forms[name])

    def metadata(self) -> Mapping[str, str]:
        """Attributes (``layers/dense/vars@name``) and what else is no array of numbers."""
        return self._texts

    def verify(self) -> Iterator[tuple[str, str]]:
        """Raises ``Unsupported``."""
        raise Unsupported(
            "HDF5 keeps no checksum of arrays that are stored as they are, which is how Keras stores them, so that a "
            "changed bit cannot be seen"
        )

    def close(self) -> None:
        self._arrays = {}
        self._file.close()


class KerasWeights(Format):
    """``model.save_weights("m.weights.h5")``."""

    name: ClassVar[str] = "keras-weights"
    suffix: ClassVar[str] = ".weights.h5"

    def open(self, path: Path) -> WeightsReader:
        return WeightsReader(path)

    def write(self, path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        """Arrays in the places where Keras looks for the variables of layers, one at a time.

        A model reads it if the names are those of the model: as in a file that the model has written, with the number
        of a variable (or its key in ``save_own_variables``) within a group ``vars``.
        """
        _require_writable(forms)
        with replacing(path) as temporary:
            with refusing(str(path)):
                file = h5py.File(str(temporary.name), "w")
            try:
                for name, array in arrays:
                    with refusing(f"{path}: {name}"):
                        _put(file, name, array)
            finally:
                with refusing(str(path)):
                    file.close()


def _put(file: h5py.File, name: str, array: Array) -> None:
    bits = np.ascontiguousarray(array).reshape(array.shape)
    if str(array.dtype) == "bfloat16":
        file.create_dataset(name, data=bits.view("V2")).attrs[NOTE] = "bfloat16"
    else:
        file.create_dataset(name, data=bits)


def _require_writable(forms: Mapping[str, Form]) -> None:
    levels: set[str] = set()
    for name, (_, dtype) in forms.items():
        parts = name.split("/")
        if dtype not in STORED:
            raise CheckpointError(f"{name}: dtype {dtype} cannot be stored; expected one of {', '.join(STORED)}")
        if parts[-2:-1] != [VARIABLES] or not {"", ".", ".."}.isdisjoint(parts) or "\0" in name:
            raise CheckpointError(
                f"{name}: Keras would not find a variable of this name; expected one such as layers/dense/vars/0"
            )
        levels.update("/".join(parts[:end]) for end in range(1, len(parts)))
    if within := levels & forms.keys():
        raise CheckpointError(f"{min(within)}: cannot be an array, because there are others within it")
