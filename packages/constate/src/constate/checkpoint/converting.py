"""A checkpoint of any format, written in another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from constate.checkpoint import policies, sharing
from constate.checkpoint.formats import SEPARATOR_NOTE, Format, Reader, get_format
from constate.checkpoint.layout import ENTRIES, SHARED
from constate.state import Array


def convert(
    source: Reader,
    target: Path,
    format: str | Format,
    *,
    notes: dict[str, str] | None = None,
    report: Callable[[str, int], None] = lambda name, size: None,
) -> dict[str, str]:
    """Write every entry of an open checkpoint, bit for bit, whole or not at all.

    One array is in memory at a time where the format of the target permits that.

    Args:
        source: an open checkpoint; it may be the one that is replaced.
        target: the file or folder to write; an existing one is replaced.
        format: a name of ``formats.names()``, or a format.
        notes: what the target shall say in place of what the source says, key by key; for instance
            ``{SEPARATOR_NOTE: "."}``.
        report: told of every entry that is done, and its bytes.

    Returns:
        What the source says of itself and the target cannot hold, by key; of what a container says of its entries, a
        summary. How names are separated is no part of that.

    Raises:
        CheckpointError: an entry cannot be read, or the target cannot hold a name or a dtype; nothing is written.
        UsageError, Unsupported: the format is not known, not installed, or is only read.
    """
    chosen = get_format(format) if isinstance(format, str) else format
    said, known = {**source.metadata(), **(notes or {})}, source.policies()
    if known:
        said[ENTRIES] = policies.encode(known, source.entries())
    lost = chosen.write_with(target, source.entries(), _arrays(source, report), said)
    if known and ENTRIES in lost:
        lost[ENTRIES] = policies.summary(known.values())
    if known and SHARED in lost:
        lost[SHARED] = f"{len(sharing.decode(source.path, lost[SHARED])):,} arrays that have several names"
    return {key: value for key, value in lost.items() if key != SEPARATOR_NOTE}


def _arrays(source: Reader, report: Callable[[str, int], None]) -> Iterator[tuple[str, Array]]:
    for name in source.entries():
        array = source.read(name)
        size = array.nbytes
        yield name, array
        del array
        report(name, size)
