"""Files of safetensors, written an entry at a time.

Every array has its place before the first one comes: entries come in the order of their source and stand in the order
that aligns them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import xxhash

from constate.checkpoint import layout, policies, sharing
from constate.checkpoint.formats import Form
from constate.checkpoint.layout import ALIGNMENT, CODES, HEADER_LIMIT, METADATA, CheckpointError
from constate.checkpoint.policies import Policy
from constate.checkpoint.replacing import replacing
from constate.state import SEPARATOR, Array, describe, dtype_named

Arrays = Iterable[tuple[str, Array]]


def write_checked(
    path: Path,
    forms: Mapping[str, Form],
    arrays: Arrays,
    metadata: Mapping[str, str],
    entries: Mapping[str, Policy],
    shared: sharing.Groups,
) -> None:
    """The bytes that ``constate.checkpoint.save`` writes, with the checksums filled in at the end."""
    outlines = _outlines(path, forms)
    groups = sharing.in_order(shared)
    said = {layout.ENTRIES: policies.encode(entries, outlines), layout.SHARED: sharing.encode(groups)}
    notes = {**metadata, **{key: text for key, text in said.items() if text}}
    length = len(layout.header(outlines, [layout.BLANK] * len(outlines), notes))
    _require_length(path, length)
    with replacing(path) as file:
        sums = _write_arrays(path, file.fileno(), length, outlines, arrays)
        sharing.require_alike(path, groups, {name: (sums[name], a.dtype, a.shape) for name, a in outlines.items()})
        header = layout.header(outlines, [sums[name] for name in outlines], notes)
        _write_at(file.fileno(), np.frombuffer(header, np.uint8), 0)


def write_plain(
    path: Path, forms: Mapping[str, Form], arrays: Arrays, metadata: Mapping[str, str], separator: str
) -> None:
    """A file without checksums, with another separator between the levels of names."""
    outlines = _outlines(path, forms)
    written = {name: name.replace(SEPARATOR, separator) for name in outlines}
    if len({*written.values()}) != len(written):
        names: dict[str, str] = {}
        for name, new in written.items():
            if (other := names.setdefault(new, name)) != name:
                raise CheckpointError(f"cannot write {path}: {other} and {name} would both be named {new}; "
                                      f"keep {SEPARATOR!r} between the levels of names")  # fmt: skip
    header = _plain_header({written[name]: array for name, array in outlines.items()}, metadata)
    _require_length(path, len(header))
    with replacing(path) as file:
        _write_at(file.fileno(), np.frombuffer(header, np.uint8), 0)
        _write_arrays(path, file.fileno(), len(header), outlines, arrays)


def _require_length(path: Path, length: int) -> None:
    """Raise ``CheckpointError`` for a header that no reader would take."""
    if length - 8 > HEADER_LIMIT:
        raise CheckpointError(f"cannot write {path}: the header would have {length - 8} bytes, expected at most "
                              f"{HEADER_LIMIT}: there are too many entries or too much text for one file")  # fmt: skip


def _outlines(path: Path, forms: Mapping[str, Form]) -> dict[str, Array]:
    """For every entry, in the order of the file, an array of its shape and dtype that takes no memory."""
    made: dict[str, Array] = {}
    for name, form in forms.items():
        if name == METADATA or name.encode(errors="ignore").decode() != name:
            raise CheckpointError(f"cannot write {path}: {name!r}: an entry of this name cannot be stored")
        dtype = _dtype(form.dtype)
        if dtype not in CODES:
            known = ", ".join(layout.DTYPES.values())
            raise CheckpointError(f"cannot write {path}: {name}: dtype {form.dtype} cannot be stored; "
                                  f"expected one of {known}")  # fmt: skip
        made[name] = np.ndarray(form.shape, dtype, bytes(dtype.itemsize), 0, (0,) * len(form.shape))
    return {name: made[name] for name in layout.order(made)}


def _dtype(name: str) -> np.dtype[np.generic] | None:
    try:
        return dtype_named(name)
    except TypeError:
        return None


def _plain_header(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    described: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
    end = 0
    for name, array in arrays.items():
        first, end = end, end + array.nbytes
        described[name] = {"dtype": CODES[array.dtype], "shape": list(array.shape), "data_offsets": [first, end]}
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _write_arrays(path: Path, file: int, start: int, outlines: Mapping[str, Array], arrays: Arrays) -> dict[str, str]:
    """Put every array where it belongs, and give the checksum of each."""
    places, end = {}, start
    for name, outline in outlines.items():
        places[name], end = end, end + outline.nbytes
    sums: dict[str, str] = {}
    for name, array in arrays:
        expected = outlines[name] if name in outlines and name not in sums else None
        if expected is None or (array.shape, array.dtype) != (expected.shape, expected.dtype):
            said = "no such entry" if expected is None else describe(expected)
            raise CheckpointError(f"cannot write {path}: {name}: found {describe(array)}, expected {said}")
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        _write_at(file, raw, places[name])
        sums[name] = xxhash.xxh3_128_hexdigest(raw.data)
        del array, raw  # before the next one is made
    if missing := outlines.keys() - sums.keys():
        raise CheckpointError(f"cannot write {path}: {min(missing)}: the source did not give it")
    return sums


def _write_at(file: int, raw: Array, at: int) -> None:
    """Write all of it: one call of the operating system may write less than it is given."""
    rest = raw.data
    while rest:
        done = os.pwrite(file, rest, at)
        at, rest = at + done, rest[done:]
