"""Arrays that come one at a time, as the whole state dict that PyTorch's writers want."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor

from constate.checkpoint.formats import Form
from constate.state import Array, dtype_named
from constate_torch.formats.tensors import dotted, tensor

ALIGNMENT = 64


class Spool:
    """A file that has no name, in which all arrays are put as they come; the tensors are views of it.

    Args:
        folder: where there is room for all of them once more.
        forms: what is known of them.
        arrays: they, each of which is let go of before the next is asked for.
    """

    def __init__(self, folder: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed with the spool)
        try:
            places: dict[str, int] = {}
            for name, array in arrays:
                self._file.seek(-(-self._file.tell() // ALIGNMENT) * ALIGNMENT)
                places[name] = self._file.tell()
                self._file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
                del array
            self._file.flush()
            size = os.fstat(self._file.fileno()).st_size
            self._memory = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_COPY) if size else None
        except BaseException:
            self._file.close()
            raise
        self.state: dict[str, Tensor] = {dotted(name): self._tensor(places[name], form) for name, form in forms.items()}

    def _tensor(self, place: int, form: Form) -> Tensor:
        buffer: tuple[Any, ...] = (self._memory, place) if form.nbytes else ()
        return tensor(np.ndarray(form.shape, dtype_named(form.dtype), *buffer))

    def forget(self) -> None:
        """Let go of what was read until now; it is read from the file again when it is needed."""
        if self._memory is not None:
            self._memory.madvise(mmap.MADV_DONTNEED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.state.clear()
        self._file.close()
