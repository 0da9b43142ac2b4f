"""Whether what was found in a file is exactly what a module expects."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

from constate.checkpoint import sharing
from constate.checkpoint.container import load
from constate.checkpoint.layout import CheckpointError
from constate.checkpoint.policies import Policies, kinds_of
from constate.checkpoint.renaming import renamed, renamer
from constate.state import Array, Kind, name_of

LOG = logging.getLogger("constate")
Forms = Mapping[str, tuple[tuple[int, ...], str]]
"""The shape and dtype of entries, by name."""


def fitting(
    path: str | Path,
    expected: Forms,
    *,
    entries: Policies,
    shared: sharing.Groups = (),
    missing: Collection[str] = (),
    names: Mapping[str, str] | None = None,
) -> dict[str, Array]:
    """The arrays of a file that has exactly those which a module expects, by the names that the module has for them.

    Args:
        path: a file written by ``save``.
        expected: every entry that the module would save.
        entries: what the module knows of them, which is asked for where ``missing`` is given. Of what it does not know
            the kind of, the file may say it.
        shared: names that are one array in the module: the file may have fewer of them, and none with other bits.
        missing: kinds of which entries may be missing.
        names: from old names to new ones; see ``renamed``.

    Raises:
        CheckpointError: as ``load``, ``renamed`` and ``check`` do.
        UsageError: there is no kind of that name.
    """
    kinds_of(missing)
    opened = load(path)
    arrays, faults = sharing.completed(renamed(path, opened, names) if names else opened, shared)
    said: dict[str, Kind | None] = {}
    if missing and not expected.keys() <= arrays.keys():
        new = renamer(names or {})
        said = {new(name): policy.kind for name, policy in opened.policies.items()}
        said |= {name: kind for name, policy in entries.items() if (kind := policy.kind) is not None}
    check(Path(path), arrays, expected, missing=missing, kinds=said, faults=faults)
    return arrays


def check(
    path: Path,
    found: Mapping[str, Array],
    expected: Forms,
    *,
    missing: Collection[str] = (),
    kinds: Mapping[str, Kind | None] | None = None,
    faults: Collection[str] = (),
) -> None:
    """Compare the entries of a file with the shape and dtype that a module expects of each, all of them.

    Args:
        path: what to call the file.
        found: its entries.
        expected: the shape and dtype of every entry that the module would save.
        missing: kinds of which entries may be missing, ``("derived", "cache")``; each that is, is logged.
        kinds: of entries, as far as known.
        faults: what is wrong besides.

    Raises:
        CheckpointError: one line for every entry that is missing, unexpected, of another shape or of another dtype.
        UsageError: there is no kind of that name.
    """
    allowed, known, lines = kinds_of(missing), kinds or {}, list(faults)
    absent = [name for name in expected if name not in found]
    for name in absent:
        shape, dtype = expected[name]
        kind = known.get(name)
        if kind is None or kind not in allowed:
            why = f"; its kind is {kind or 'not known'}, and only {' or '.join(sorted(allowed))} may be missing"
            lines.append(f"{name}: missing from the file, expected {dtype}{list(shape)}{why if allowed else ''}")
    for name, array in found.items():
        if name not in expected:
            lines.append(f"{name}: found {array.dtype}{list(array.shape)}, not expected: the module has no such entry")
            continue
        shape, dtype = expected[name]
        if array.shape != shape:
            lines.append(f"{name}: found shape {list(array.shape)}, expected shape {list(shape)}")
        elif name_of(array.dtype) != dtype:
            lines.append(f"{name}: found dtype {array.dtype}, expected dtype {dtype}")
    if lines:
        raise CheckpointError(f"{path} was refused and nothing was changed:", lines)
    for name in absent:
        LOG.info("%s: %s is missing, which a %s may be; the module keeps its own", path, name, known[name])
