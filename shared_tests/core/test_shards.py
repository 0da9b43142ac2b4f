"""A container in several files: whole or not at all, and read by any reader of such an index."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from constate.checkpoint import CheckpointError, load_shards, save_shards
from constate.checkpoint.formats import open_checkpoint
from constate.state import same_bits

STATE = {f"layer{n}/weight": np.arange(n, n + 64, dtype=np.float32) for n in range(5)} | {"count": np.array(3)}


def shards(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.suffix == ".safetensors")


def test_round_trip_through_ours_and_theirs(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    save_shards(index, STATE, 512, {"step": "7"})
    assert len(shards(tmp_path)) == 3 and all((tmp_path / name).stat().st_size < 1500 for name in shards(tmp_path))
    found = load_shards(index)
    assert found.keys() == STATE.keys() and all(same_bits(found[name], value) for name, value in STATE.items())
    homes = json.loads(index.read_text())["weight_map"]
    theirs = {name: safetensors.numpy.load_file(tmp_path / home)[name] for name, home in homes.items()}
    assert all(same_bits(theirs[name], value) for name, value in STATE.items())
    with open_checkpoint(index) as reader:
        assert set(reader.entries()) == set(STATE) and not list(reader.verify()) and reader.metadata()["step"] == "7"


def test_a_larger_array_has_a_file_of_its_own(tmp_path: Path) -> None:
    save_shards(tmp_path / "m.safetensors.index.json", STATE, 1)
    assert len(shards(tmp_path)) == len(STATE)


def test_a_newer_checkpoint_replaces_the_older_one(tmp_path: Path) -> None:
    index = tmp_path / "m.safetensors.index.json"
    (tmp_path / "other.safetensors").touch()
    save_shards(index, STATE, 512)
    before = shards(tmp_path)
    save_shards(index, STATE, 512)
    assert shards(tmp_path) == before, "equal state gives equal files"
    save_shards(index, {name: value + 1 for name, value in STATE.items()}, 10_000)
    assert len(shards(tmp_path)) == 2 and "other.safetensors" in shards(tmp_path)
    assert load_shards(index)["count"] == 4


@pytest.mark.parametrize("call", range(8))
def test_a_save_that_fails_anywhere_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    index = tmp_path / "m.safetensors.index.json"
    save_shards(index, STATE, 512)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    replace, made = os.replace, iter(range(100))

    def failing(self: Path, target: Path) -> Path:
        if next(made) == call:
            raise OSError(28, os.strerror(28))
        replace(self, target)
        return target

    monkeypatch.setattr(Path, "replace", failing)
    other = {name: value + 1 for name, value in STATE.items()}
    if call < 7:  # three files, their three places, the index
        with pytest.raises(CheckpointError, match="No space left on device"):
            save_shards(index, other, 512)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    else:
        save_shards(index, other, 512)
        assert load_shards(index)["count"] == 4


def test_an_index_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    index = tmp_path / "m.safetensors.index.json"
    save_shards(index, STATE, 512)
    found = json.loads(index.read_text())
    del found["weight_map"]["count"]
    index.write_text(json.dumps(found))
    with pytest.raises(CheckpointError, match=r"count: the index and m-0000.-of-00003"):
        load_shards(index)
    with pytest.raises(CheckpointError, match=r"expected one that ends in \.safetensors\.index\.json"):
        save_shards(tmp_path / "m.safetensors", STATE, 512)
