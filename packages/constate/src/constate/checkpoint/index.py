"""The index of a checkpoint in several files of safetensors, as the libraries of Hugging Face write it."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

from constate.checkpoint.layout import HEADER_LIMIT, CheckpointError, unique

INDEX = ".safetensors.index.json"


def read_index(path: Path) -> tuple[dict[str, str], dict[str, set[str]]]:
    """What an index says of itself, and by shard the names of its entries.

    Raises:
        CheckpointError: it cannot be read, maps no names to files, or names a file that is not beside it.
    """
    try:
        if not path.is_file():
            raise CheckpointError(f"{path}: found no file there, expected an index of shards")
        if path.stat().st_size > HEADER_LIMIT:
            raise CheckpointError(f"{path}: found {path.stat().st_size} bytes, expected at most {HEADER_LIMIT}")
        found = json.loads(path.read_bytes(), object_pairs_hook=unique)
        notes = _notes(found)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the index cannot be read: {error}") from error
    homes = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(homes, dict) or not all(type(shard) is str for shard in homes.values()):
        raise CheckpointError(f"{path}: found no mapping of names to files, expected one as weight_map")
    named: dict[str, set[str]] = {}
    for name, shard in homes.items():
        named.setdefault(shard, set()).add(name)
    for shard, names in named.items():
        # A link is followed: the cache of the Hugging Face hub keeps every file as a link to a blob.
        if PurePath(shard).name != shard or not shard.endswith(".safetensors") or "\0" in shard or "\\" in shard:
            raise CheckpointError(f"{path}: {min(names)}: found the file {shard!r}, "
                                  "expected the name of a *.safetensors file beside the index")  # fmt: skip
    return notes, named


def _notes(found: Any) -> dict[str, str]:
    """Everything in an index but the map, as text."""
    if not isinstance(found, dict):
        return {}
    notes = {key: value for key, value in found.items() if key != "weight_map"}
    if isinstance(said := notes.get("metadata"), dict):
        notes = said | {key: value for key, value in notes.items() if key != "metadata"}
    return {key: value if isinstance(value, str) else repr(value)[:200] for key, value in notes.items()}
