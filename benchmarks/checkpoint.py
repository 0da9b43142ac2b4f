"""What does a checkpoint cost beside a plain write, or a plain read, of the same bytes?

``python checkpoint.py torch`` prints one JSON object: raw samples in seconds for one backend. The state is one float32
array of 1,024 by 1,024 and one of 1,024, about 4 MiB. The floor of a save is a write with fsync and rename, that of a
load a read into memory; each stands twice, and the second against the first is the A/A pair that shows the noise of the
machine. A format is timed only if what it loads has the bits that were saved.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from measure import interleave

from constate.backend import FLAVOURS, Backend, Handle, get_backend
from constate.catalog.frozen_linear import FrozenLinear
from constate.laws.law import differing
from constate.subject import Subject

ROUNDS = 15
REFERENCE = FrozenLinear(in_features=1024, out_features=1024)


def floors(folder: Path, data: bytes) -> dict[str, Callable[[], object]]:
    """A plain write and a plain read, twice each."""
    source = folder / "source"
    source.write_bytes(data)
    buffer = np.empty(len(data), np.uint8)

    def write() -> None:
        with (folder / "temporary").open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        (folder / "temporary").replace(folder / "written")

    def read() -> None:
        with source.open("rb", buffering=0) as file:
            file.readinto(memoryview(buffer))

    return {"save plain": write, "save plain again": write, "load plain": read, "load plain again": read}


def save(backend: Backend, source: Handle, path: Path, format: str) -> None:
    """A save to a new file or folder; that of the round before is removed first."""
    for old in path.parent.glob(f"{path.name}*"):  # some formats write several files beside one another
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    backend.save(source, path, format)


def formats(name: str, folder: Path) -> dict[str, Callable[[], object]]:
    """A save and a load in every format of both flavours."""
    cases: dict[str, Callable[[], object]] = {}
    for flavour in FLAVOURS:
        backend = get_backend(name, flavour)
        subject = Subject(backend, REFERENCE, folder)
        for format, suffix in backend.formats().items():
            source, target = subject.golden(0), subject.fresh(1)
            place = folder / f"{flavour}-{format}"
            place.mkdir()
            kept = place / f"kept{suffix}"
            backend.save(source, kept, format)
            if differing(subject.read(backend.load(target, kept, format)), subject.state):
                continue

            cases[f"save {format}"] = partial(save, backend, source, place / f"new{suffix}", format)
            cases[f"load {format}"] = partial(backend.load, target, kept, format)
    return cases


def main(name: str) -> None:
    """Measure one backend."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = np.random.default_rng(0).bytes(4 * (1024 * 1024 + 1024))
        samples = interleave(floors(folder, data) | formats(name, folder), ROUNDS)
    print(json.dumps({"versions": get_backend(name, "native").versions(), "samples": samples}))


if __name__ == "__main__":
    main(*sys.argv[1:])
