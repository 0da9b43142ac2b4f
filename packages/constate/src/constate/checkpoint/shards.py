"""A container in several files, for a state that is too large for one."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import xxhash

from constate.checkpoint import layout, sharing
from constate.checkpoint.container import read, save
from constate.checkpoint.index import INDEX, read_index
from constate.checkpoint.layout import CheckpointError
from constate.checkpoint.policies import Policies
from constate.checkpoint.progress import progress
from constate.checkpoint.replacing import replacing
from constate.state import Array


@progress("saving shards")
def save_shards(
    path: str | Path,
    state: Mapping[str, Array],
    shard_bytes: int,
    metadata: Mapping[str, str] | None = None,
    *,
    entries: Policies | None = None,
    shared: sharing.Groups = (),
) -> None:
    """Write arrays to several files and an index, whole or not at all.

    The names of the files tell what is in them, so that no file of an older checkpoint is overwritten while its index
    is there. The index is replaced last, at once; then the files that only the old one named are removed.

    Args:
        path: the index, ``model.safetensors.index.json``; the files are put beside it.
        state: arrays by name.
        shard_bytes: how many bytes of arrays a file has at the most; a larger array has a file of its own.
        metadata: what else every file shall say.
        entries: as for ``save``; each file says what is known of its own entries, the first also that of those which
            are in none.
        shared: as for ``save``; every file says all of it.

    Raises:
        CheckpointError: as ``save`` does; or the path is none of an index.
    """
    path = Path(path)
    if not path.name.endswith(INDEX):
        raise CheckpointError(f"{path}: found the name {path.name}, expected one that ends in {INDEX}")
    old = _named(path)
    groups = list(_groups(state, shard_bytes))
    known = dict(entries or {})
    beside = {name: known[name] for name in known.keys() - state.keys()}
    shared = [*shared]
    token = secrets.token_hex(8)
    written = [path.with_name(f".constate-{token}-{number}") for number in range(len(groups))]
    made: list[Path] = []
    try:
        for file, names in zip(written, groups, strict=True):
            own = {name: known[name] for name in names if name in known} | (beside if file is written[0] else {})
            save(file, {name: state[name] for name in names}, metadata, entries=own, shared=shared)
        stem, digest = path.name.removesuffix(INDEX), _digest(written)
        shards = [path.with_name(f"{stem}-{n:05}-of-{len(groups):05}-{digest}.safetensors")
                  for n in range(1, len(groups) + 1)]  # fmt: skip
        for file, shard in zip(written, shards, strict=True):
            if shard.name not in old:
                made.append(shard)
            file.replace(shard)
        homes = {name: shard.name for shard, names in zip(shards, groups, strict=True) for name in names}
        size = sum(array.nbytes for array in state.values())
        text = json.dumps({"metadata": {"total_size": size}, "weight_map": homes}, indent=1)
        with replacing(path) as index:
            index.write(text.encode())
    except BaseException as error:
        for file in (*written, *made):
            file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CheckpointError(f"cannot write {path}: {error.strerror}") from error
        raise
    ours = re.compile(rf"{re.escape(stem)}-\d{{5}}-of-\d{{5}}-[0-9a-f]{{16}}\.safetensors")
    for name in old - {shard.name for shard in shards}:
        if ours.fullmatch(name):
            path.with_name(name).unlink(missing_ok=True)


@progress("verifying shards")
def load_shards(path: str | Path, verify: bool = True) -> Mapping[str, Array]:
    """The arrays of all files that an index names, as ``load`` gives those of one.

    Raises:
        CheckpointError: as ``load`` does; or the index and the files do not say the same.
    """
    path = Path(path)
    _, named = read_index(path)
    arrays: dict[str, Array] = {}
    shared: set[tuple[str, ...]] = set()
    bits: dict[str, object] = {}
    for shard, names in named.items():
        found, _ = read(path.with_name(shard), verify)
        if names != set(found):
            name = min(names ^ set(found))
            raise CheckpointError(f"{path}: {name}: the index and {shard} do not agree; restore both from one source")
        arrays.update(found)
        if found.shared:
            shared.update(map(tuple, found.shared))
            bits |= found.bits
    sharing.require_alike(path, shared, bits)
    return arrays


def _groups(state: Mapping[str, Array], shard_bytes: int) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for name in layout.order(state):
        if group and size + state[name].nbytes > shard_bytes:
            yield group
            group, size = [], 0
        group.append(name)
        size += state[name].nbytes
    yield group


def _named(path: Path) -> set[str]:
    """The files that the index names which is there now."""
    try:
        return set(read_index(path)[1])
    except CheckpointError:
        return set()


def _digest(files: list[Path]) -> str:
    """Of the headers, which have the checksums of all arrays."""
    digest = xxhash.xxh3_64()
    for file in files:
        with file.open("rb") as opened:
            start = opened.read(8)
            digest.update(start + opened.read(int.from_bytes(start, "little")))
    return digest.hexdigest()
