"""Saving while training goes on."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

import numpy as np

from constate.checkpoint.container import save
from constate.checkpoint.policies import Policies
from constate.checkpoint.sharing import Groups
from constate.state import Array


class Saver:
    """Writes checkpoints in the background, one at a time.

    The state is copied when ``save`` is called, into memory that the next call uses again, so that what is trained
    afterwards is not in the file. A second ``save`` waits for the first. What goes wrong is raised by the next call, by
    ``wait``, or at the end of a ``with`` block; where there is none of these, it is printed when Python ends, which
    waits for a file that is still being written.
    """

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._error: BaseException | None = None
        self._snapshot: dict[str, Array] = {}

    def save(
        self,
        path: str | Path,
        state: Mapping[str, Array],
        metadata: Mapping[str, str] | None = None,
        *,
        entries: Policies | None = None,
        shared: Groups = (),
    ) -> None:
        """As ``constate.checkpoint.save``, of the state as it is now.

        Raises:
            CheckpointError: the save before this one failed; this one is not begun.
        """
        self.wait()
        self._snapshot = {name: _copied(array, self._snapshot.get(name)) for name, array in state.items()}
        write = partial(save, path, self._snapshot, dict(metadata or {}), entries=dict(entries or {}), shared=[*shared])
        self._thread = Thread(target=self._run, args=(write,), name="constate-saver")
        self._thread.start()

    def wait(self) -> None:
        """Until the file is on the disk. Raises what went wrong, once."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            _unsaid.remove(error)
            raise error

    def _run(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BaseException as error:
            self._error = error
            _unsaid.append(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None:
            self.wait()
            return
        try:
            self.wait()
        except Exception as other:  # what went wrong first goes on
            error.add_note(f"and a checkpoint was not saved: {other}")


def _copied(array: Array, old: Array | None) -> Array:
    if old is None or old.shape != array.shape or old.dtype != array.dtype:
        return np.array(array, order="C")
    np.copyto(old, array)
    return old


_unsaid: list[BaseException] = []
"""What went wrong and was not raised yet."""


@atexit.register
def _complain() -> None:
    for error in _unsaid:
        sys.stderr.write(f"constate: a checkpoint was not saved: {error}\n")
