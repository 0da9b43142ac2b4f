"""``.keras``: a zip archive with the weights, the configuration and the assets of a model."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, Format, Reader
from constate.checkpoint.formats.zipped import Window, intact, members
from constate.state import Array
from constate_keras.formats.tree import LONGEST
from constate_keras.formats.weights import WeightsReader

WEIGHTS = "model.weights.h5"


class KerasReader(Reader):
    """The weights within the archive, where they lie; the model is not built and nothing is unpacked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
        try:
            self._members = members(self._file, str(path))
            if WEIGHTS not in self._members:
                raise CheckpointError(f"{path}: has no {WEIGHTS}; found {', '.join(list(self._members)[:5])}")
            offset, size, _ = self._members[WEIGHTS]
            window = io.BufferedReader(Window(self._file, offset, size))
            self._weights = WeightsReader(path, window, size)
        except BaseException:
            self._file.close()
            raise

    def entries(self) -> Mapping[str, Form]:
        return self._weights.entries()

    def read(self, name: str) -> Array:
        return self._weights.read(name)

    def metadata(self) -> Mapping[str, str]:
        """What is in the weights and no array, the beginning of the configuration, and the sizes of the assets."""
        return {**self._weights.metadata(), **{name: self._text(name) for name in self._members if name != WEIGHTS}}

    def _text(self, name: str) -> str:
        offset, size, _ = self._members[name]
        if not name.endswith(".json"):
            return f"{size} bytes"
        self._file.seek(offset)
        return self._file.read(min(size, 4 * LONGEST)).decode(errors="replace")[:LONGEST]

    def verify(self) -> Iterator[tuple[str, str]]:
        """The CRC-32 that the archive has of every member; the weights are one of them, so that it cannot be said
        which entry is damaged."""
        for name, member in self._members.items():
            if not intact(self._file, member):
                yield "", f"the bytes of {name} do not match their CRC-32"

    def close(self) -> None:
        self._weights.close()
        self._file.close()


class Keras(Format):
    """``model.save("m.keras")``. A model is more than its arrays, so that such files are only read."""

    name: ClassVar[str] = "keras"
    suffix: ClassVar[str] = ".keras"

    def open(self, path: Path) -> KerasReader:
        return KerasReader(path)
