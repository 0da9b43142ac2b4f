"""What a law is run on: a module of a backend, with its declared entries, its reference and a place to write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from constate.backend import Backend, Handle, Spec
from constate.catalog import Reference, State
from constate.errors import Broken, Unsupported, first_line
from constate.state import Array, Entry, Kind

PROBE = "trained_probe"
"""A parameter that laws about training add, so that something is trained beside whatever the module carries."""


@dataclass(frozen=True)
class Subject:
    """A module of the catalogue in a backend."""

    backend: Backend
    reference: Reference
    folder: Path
    """An empty folder for whatever the law writes."""
    format: str | None = None
    """The file format, for a law that runs once per format."""
    exchange: Path | None = None
    """Where every backend of the run has put its files for the others."""
    device: str | None = None
    """The device that the laws of placement move to; every one that the backend has by default."""
    _files: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)), repr=False)

    @property
    def declared(self) -> dict[str, Entry]:
        """The declared entries by path."""
        return self.reference.declared()

    def paths(self, *kinds: Kind) -> set[str]:
        """The declared paths of these kinds."""
        return {path for path, entry in self.declared.items() if entry.kind in kinds}

    @property
    def persistent(self) -> list[str]:
        """The declared paths that are saved."""
        return [path for path, entry in self.declared.items() if entry.persistent]

    @property
    def pinned(self) -> list[str]:
        """The declared paths that a cast leaves alone."""
        return [path for path, entry in self.declared.items() if not entry.cast]

    @cached_property
    def state(self) -> State:
        """The state that every backend starts from; the same in all of them."""
        return self.reference.initial_state(np.random.default_rng(20170612))

    @cached_property
    def inputs(self) -> tuple[Array, ...]:
        """One batch of ordinary inputs; the same in all backends."""
        return self.reference.inputs(np.random.default_rng(20150211))

    def batches(self, count: int) -> list[tuple[Array, ...]]:
        """Different batches."""
        rng = np.random.default_rng(19920730)
        return [self.reference.inputs(rng) for _ in range(count)]

    def spec(self, seed: int = 0) -> Spec:
        """How to make an instance."""
        return self.backend.spec(self.reference.name, self.reference.config, self.inputs, seed)

    def fresh(self, seed: int = 0) -> Handle:
        """An instance as its constructor leaves it."""
        return self.backend.build(self.spec(seed))

    def golden(self, seed: int = 0) -> Handle:
        """An instance with the common state."""
        return self.put(self.fresh(seed), {path: self.state[path] for path in self.persistent})

    def trainable(self) -> Handle:
        """An instance with the common state and one more parameter."""
        return self.backend.register(self.golden(), PROBE, np.array([0.5, -1.0, 2.0], np.float32), kind=Kind.PARAMETER)

    def put(self, handle: Handle, state: State) -> Handle:
        """Write bits into entries."""
        for path, value in state.items():
            handle = self.backend.write(handle, path, value)
        return handle

    def read(self, handle: Handle) -> State:
        """The bits of every entry that the framework lists or holds."""
        return {path: self.backend.read(handle, path) for path in self.backend.entries(handle)}

    def file(self) -> Path:
        """A path, not yet used, with the suffix that the format wants."""
        folder = self.folder / str(next(self._files))
        folder.mkdir()
        return folder / f"state{self.backend.formats()[self.chosen_format]}"

    @property
    def chosen_format(self) -> str:
        """The format of this run, or the backend's usual one."""
        return self.format or next(iter(self.backend.formats()))

    def save(self, handle: Handle) -> Path:
        """Save to a new file in the chosen format."""
        path = self.file()
        try:
            self.backend.save(handle, path, self.chosen_format)
        except Unsupported:
            raise
        except Exception as error:  # of whatever type: a module that cannot be saved breaks every law about saving
            raise Broken(f"saving fails with {first_line(error)}", "a file of the module's state") from error
        return path

    def load(self, handle: Handle, path: Path) -> Handle:
        """Load a file of the chosen format."""
        return self.backend.load(handle, path, self.chosen_format, self.spec())

    def large(self) -> Subject:
        """The same module in a size at which every array is above 1 KiB."""
        return replace(self, reference=self.reference.large())
