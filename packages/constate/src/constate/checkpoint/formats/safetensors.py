"""Files of safetensors, of any writer, and the container, which is one with checksums.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from constate.checkpoint import layout, policies, sharing
from constate.checkpoint.formats import SEPARATOR_NOTE, Form, Format
from constate.checkpoint.formats.recognising import safetensors_files
from constate.checkpoint.formats.safetensors_files import FileReader
from constate.checkpoint.formats.safetensors_shards import INDEX, ShardsReader
from constate.checkpoint.formats.safetensors_writing import write_checked, write_plain
from constate.checkpoint.layout import CheckpointError
from constate.errors import UsageError, printable
from constate.state import SEPARATOR, Array

PARTS = "DCP_SHARDING_INFO"
"""In the metadata of a file of ``torch.distributed.checkpoint.HuggingFaceStorageWriter``: where in the whole arrays its
own begin."""


class SafetensorsFormat(Format):
    """One file, an index with its shards, or a folder with either; checksums are verified where the writer kept any."""

    name = "safetensors"
    suffix = ".safetensors"
    separators = "/."

    def open(self, path: Path) -> FileReader | ShardsReader:
        if path.is_dir():
            path = _within(path)
        return ShardsReader(path) if path.name.endswith(INDEX) else FileReader(path)

    def write(self, path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        self.write_with(path, forms, arrays, {})

    def write_with(
        self,
        path: Path,
        forms: Mapping[str, Form],
        arrays: Iterable[tuple[str, Array]],
        metadata: Mapping[str, str],
    ) -> dict[str, str]:
        """Keys of the container itself are not carried: a file with some of them and no checksums looks damaged."""
        separator = metadata.get(SEPARATOR_NOTE, SEPARATOR)
        if len(separator) != 1 or separator not in self.separators:
            raise UsageError(f"found the separator {separator!r}, expected one of: {' '.join(self.separators)}")
        kept = {key: value for key, value in metadata.items() if not key.startswith(layout.PREFIX)}
        kept.pop(SEPARATOR_NOTE, None)
        write_plain(path, forms, arrays, kept, separator)
        return {key: value for key, value in metadata.items() if key.startswith(layout.PREFIX)}


def _within(folder: Path) -> Path:
    """The only index of a folder, or its only file where there is no index."""
    if not (found := sorted(folder.glob(f"*{INDEX}"))) and not (found := safetensors_files(folder)):
        raise CheckpointError(f"{folder}: found no *.safetensors in it, expected one, or several with one *{INDEX}")
    if len(found) > 1:
        expected = f"one *{INDEX}; name the file itself"
        if not found[0].name.endswith(INDEX):
            expected = f"one file, or an index *{INDEX} of them; name the file itself"
            with FileReader(found[0]) as first:
                if PARTS in first.metadata():  # nothing says how many there are, so that a lost one would not be missed
                    expected = "whole arrays and not parts of them; save with enable_consolidation=True"
        names = ", ".join(file.name for file in found[:5]) + (", …" if len(found) > 5 else "")
        raise UsageError(printable(f"{folder}: found {names}, expected {expected}"))
    return found[0]


class ConstateFormat(SafetensorsFormat):
    """As ``constate.checkpoint.save`` writes it. Names stand in it as they are."""

    name = "constate"
    separators = ""

    def open(self, path: Path) -> FileReader | ShardsReader:
        reader = super().open(path)
        if reader.unchecked:
            reader.close()
            raise CheckpointError(f"{reader.unchecked}: has no constate checksums; found a plain safetensors file")
        return reader

    def write_with(
        self,
        path: Path,
        forms: Mapping[str, Form],
        arrays: Iterable[tuple[str, Array]],
        metadata: Mapping[str, str],
    ) -> dict[str, str]:
        """What is known of entries is given as a text for these in the order of ``forms``, and stands in that of the
        file."""
        lost = {key: value for key, value in metadata.items() if key in layout.SUMS}
        kept = {key: value for key, value in metadata.items() if key not in layout.OWN}
        known, shared = metadata.get(layout.ENTRIES, ""), metadata.get(layout.SHARED, "")
        try:
            entries = policies.decode(path, known, forms)
        except CheckpointError:  # of another writer
            lost[layout.ENTRIES], entries = known, {}
        try:
            groups = sharing.decode(path, shared)
        except CheckpointError:
            lost[layout.SHARED], groups = shared, []
        write_checked(path, forms, arrays, kept, entries, groups)
        return lost
