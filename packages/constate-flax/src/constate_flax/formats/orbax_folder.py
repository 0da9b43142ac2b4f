"""What an Orbax folder holds, by its index: where each array lies, and all else as text.

https://orbax.readthedocs.io/en/latest/guides/checkpoint/checkpoint_format.html describes the folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from constate.checkpoint import CheckpointError
from constate_flax.formats.arrays import DEEPEST, LONGEST, Names, shown

INDEX = "_METADATA"
STEP = "_CHECKPOINT_METADATA"
STRINGS = "_strings.json"
JSON_ITEM = "metadata"
"""The file of an item of ``orbax.checkpoint.args.JsonSave``."""
ALONE = "default"
"""How ``CheckpointManager`` names the only item of a step."""
ROOM = 1 << 20
INDEX_LIMIT = 1 << 30


class Place(NamedTuple):
    """Where the array of an entry lies."""

    folder: Path
    key: str
    packed: bool
    """Whether it is in a database of TensorStore (OCDBT) and not in a folder of its own."""
    driver: str
    complete: bool
    """Whether the writer kept even the chunks that are nothing but zeros, so that one that is not there is missing."""


class Contents(NamedTuple):
    """Everything that a folder says before any array is opened."""

    places: dict[str, Place]
    texts: dict[str, str]
    size: int
    """Bytes of all files."""


def contents(path: Path) -> Contents:
    """Read the index, or the indices of a step of ``CheckpointManager``.

    Raises:
        CheckpointError: there is none, it cannot be read, is nested too deep, or leads out of the folder.
    """
    size = _size(path)
    if not (path / INDEX).is_file() and (steps := sorted(p.name for p in path.iterdir() if (p / STEP).is_file())):
        raise CheckpointError(f"{path}: found the steps {shown(', '.join(steps))}, expected a single one; open "
                              f"{path / steps[-1]}")  # fmt: skip
    places: dict[str, Place] = {}
    texts: dict[str, str] = {}
    names = Names(str(path), ROOM + 64 * size)
    for prefix, item in _items(path):
        if (item / INDEX).is_file():
            _read_index(item, prefix, names, places, texts)
        else:
            texts[names.path(prefix)] = _start(item / JSON_ITEM)
    if (path / STEP).is_file():
        texts.setdefault(STEP, _start(path / STEP))
    return Contents(places, texts, size)


def _size(path: Path) -> int:
    """Bytes of all files. Raises ``CheckpointError`` where a link leads out of the folder."""
    if not path.is_dir():
        raise CheckpointError(f"cannot read {path}: expected a folder")
    root, size = Path(os.path.realpath(path)), 0
    for folder, inner, files in os.walk(root):
        for name in (*inner, *files):
            found = Path(folder, name)
            if found.is_symlink():
                raise CheckpointError(f"{path}: {found.relative_to(root)} is a link, expected files and folders; copy "
                                      "what it leads to into its place")  # fmt: skip
            size += found.stat().st_size if name in files else 0
    return size


def _items(path: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    """The items of a folder, each with what its names begin with."""
    if (path / INDEX).is_file():
        yield (), path
        return
    inner = sorted(p for p in path.iterdir() if (p / INDEX).is_file() or (p / JSON_ITEM).is_file())
    if not any((p / INDEX).is_file() for p in inner):
        raise CheckpointError(f"{path}: found no {INDEX}, expected what orbax.checkpoint.StandardCheckpointer writes; "
                              "restore it with the version of Orbax that wrote it and save it again")  # fmt: skip
    for item in inner:
        yield (() if [p.name for p in inner] == [ALONE] else (item.name,)), item


def _read_index(
    folder: Path, prefix: tuple[str, ...], names: Names, places: dict[str, Place], texts: dict[str, str]
) -> None:
    index = _json(folder / INDEX)
    strings = _json(folder / STRINGS) if (folder / STRINGS).is_file() else {}
    rows = index.get("tree_metadata")
    if not isinstance(rows, dict):
        raise CheckpointError(f"{folder / INDEX}: found no tree, expected the names and kinds of the entries")
    packed = bool(index.get("use_ocdbt", (folder / "manifest.ocdbt").is_file()))
    driver = "zarr3" if index.get("use_zarr3") else "zarr"
    complete = index.get("store_array_data_equal_to_fill_value") is True
    for row in rows.values():
        keys, kind, skipped = _described(folder, row)
        name = names.path((*prefix, *keys))
        key = ".".join(keys)
        if kind == "string":
            texts[name] = shown(strings.get(key, ""))
        elif skipped:
            texts[name] = kind
        else:
            if {"", ".", ".."} & {*key.split("/")}:
                raise CheckpointError(f"{folder / INDEX}: {shown(name)}: leads out of the folder")
            places[name] = Place(folder, key, packed, driver, complete)
    if custom := index.get("custom_metadata"):
        texts[names.path((*prefix, "custom_metadata"))] = shown(custom)


def _described(folder: Path, row: Any) -> tuple[list[str], str, bool]:
    """The keys of an entry, what kind of value it is, and whether nothing was stored for it."""
    try:
        keys = [part["key"] for part in row["key_metadata"]]
        kind, skipped = row["value_metadata"]["value_type"], row["value_metadata"]["skip_deserialize"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / INDEX}: an entry is described by {shown(row)}, which cannot be") from error
    if not keys or len(keys) > DEEPEST or {*map(type, keys)} - {str, int} or not isinstance(kind, str):
        raise CheckpointError(f"{folder / INDEX}: an entry is described by {shown(row)}, expected 1 to {DEEPEST} keys "
                              "and a kind")  # fmt: skip
    return [str(key) for key in keys], kind, bool(skipped)


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > INDEX_LIMIT:
            raise CheckpointError(f"{path}: found more than {INDEX_LIMIT} bytes, expected an index")
        found = json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: found a {type(found).__name__}, expected names and values")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _start(path: Path) -> str:
    with path.open("rb") as file:
        return shown(file.read(4 * LONGEST).decode(errors="replace"))
