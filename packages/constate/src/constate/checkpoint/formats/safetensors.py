"""Files of safetensors, of any writer, and the container, which is one with checksums.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from constate.checkpoint import layout
from constate.checkpoint.formats import SEPARATOR_NOTE, Form, Format
from constate.checkpoint.formats.safetensors_files import FileReader
from constate.checkpoint.formats.safetensors_shards import INDEX, ShardsReader
from constate.checkpoint.formats.safetensors_writing import write_checked, write_plain
from constate.checkpoint.layout import CheckpointError
from constate.errors import UsageError
from constate.state import SEPARATOR, Array


class SafetensorsFormat(Format):
    """One file, or an index with its shards; checksums are verified where the writer kept any."""

    name = "safetensors"
    suffix = ".safetensors"
    separators = "/."

    def open(self, path: Path) -> FileReader | ShardsReader:
        if path.is_dir():
            found = sorted(path.glob(f"*{INDEX}"))
            if len(found) != 1:
                names = ", ".join(file.name for file in found) or "none"
                raise CheckpointError(f"{path}: found the indices {names}, expected one *{INDEX}; name the file itself")
            path = found[0]
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
        lost = {key: value for key, value in metadata.items() if key in (layout.HEADER_CHECKSUM, layout.CHECKSUMS)}
        write_checked(path, forms, arrays, {key: value for key, value in metadata.items() if key not in lost})
        return lost
