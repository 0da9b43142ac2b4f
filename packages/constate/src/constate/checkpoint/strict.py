"""Whether what was found in a file is exactly what a module expects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from constate.checkpoint.layout import CheckpointError
from constate.state import Array, name_of


def check(path: Path, found: Mapping[str, Array], expected: Mapping[str, tuple[tuple[int, ...], str]]) -> None:
    """Compare the entries of a file with the shape and dtype that a module expects of each, all of them.

    Raises:
        CheckpointError: one line for every entry that is missing, unexpected, of another shape or of another dtype.
    """
    faults = [
        f"{name}: missing from the file, expected {dtype}{list(shape)}"
        for name, (shape, dtype) in expected.items()
        if name not in found
    ]
    for name, array in found.items():
        if name not in expected:
            faults.append(f"{name}: found {array.dtype}{list(array.shape)}, not expected: the module has no such entry")
            continue
        shape, dtype = expected[name]
        if array.shape != shape:
            faults.append(f"{name}: found shape {list(array.shape)}, expected shape {list(shape)}")
        elif name_of(array.dtype) != dtype:
            faults.append(f"{name}: found dtype {array.dtype}, expected dtype {dtype}")
    if faults:
        raise CheckpointError(f"{path} was refused and nothing was changed:", faults)
