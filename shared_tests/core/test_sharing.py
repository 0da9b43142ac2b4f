"""Entries that are one array: the file says so, and bits that differ are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from constate.checkpoint import CheckpointError, fitting, layout, load, load_shards, save, save_shards
from constate.checkpoint.formats import open_checkpoint
from constate.checkpoint.formats.safetensors_writing import write_checked
from constate.state import Array, same_bits

TABLE = np.arange(6, dtype=np.float32).reshape(2, 3)
STATE = {"head/weight": TABLE, "embedding/weight": TABLE, "bias": np.zeros(3)}
SHARED = [["head/weight", "embedding/weight"], ["bias"]]
EXPECTED = {name: (array.shape, str(array.dtype)) for name, array in STATE.items()}


def forged(path: Path, state: dict[str, Array]) -> Path:
    """A file with right checksums that says of its entries what is not so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("constate.checkpoint.sharing.require_alike", lambda path, groups, bits: None)
        save(path, state, shared=SHARED)
    return path


def test_the_file_says_which_names_are_one_array(tmp_path: Path) -> None:
    save(tmp_path / "s", STATE, shared=SHARED)
    found = load(tmp_path / "s")
    assert found.shared == [["embedding/weight", "head/weight"]]
    assert all(same_bits(found[name], array) for name, array in STATE.items())
    save(tmp_path / "t", dict(reversed(STATE.items())), shared=[group[::-1] for group in reversed(SHARED)])
    assert (tmp_path / "s").read_bytes() == (tmp_path / "t").read_bytes()


def test_what_is_not_alike_is_not_written(tmp_path: Path) -> None:
    for other in (TABLE + 1, TABLE.T, TABLE.view(np.int32)):
        with pytest.raises(CheckpointError, match="are said to be one array and have different bits"):
            save(tmp_path / "s", {**STATE, "head/weight": other}, shared=SHARED)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "other", [TABLE + 1, TABLE.reshape(3, 2), TABLE.view(np.int32)], ids=["bits", "shape", "dtype"]
)
@pytest.mark.parametrize("verify", [True, False])
def test_a_file_whose_shared_entries_differ_is_refused(tmp_path: Path, other: Array, verify: bool) -> None:
    path = forged(tmp_path / "s.safetensors", {**STATE, "head/weight": other})
    with pytest.raises(CheckpointError, match="embedding/weight and head/weight: are said to be one array"):
        load(path, verify)
    with pytest.raises(CheckpointError, match="are said to be one array"):
        open_checkpoint(path)


def test_across_shards(tmp_path: Path) -> None:
    index = tmp_path / "m.safetensors.index.json"
    save_shards(index, STATE, 1, shared=SHARED)
    assert load_shards(index).keys() == STATE.keys()
    with open_checkpoint(index) as reader:
        assert not list(reader.verify())
    save_shards(index, {**STATE, "head/weight": TABLE + 1}, 1, shared=SHARED)  # each file alone is right
    with pytest.raises(CheckpointError, match="are said to be one array"):
        load_shards(index)
    with pytest.raises(CheckpointError, match="are said to be one array"):
        open_checkpoint(index)


def test_a_stream_of_what_is_not_alike_leaves_nothing(tmp_path: Path) -> None:
    save(tmp_path / "s", STATE)
    with open_checkpoint(tmp_path / "s", "constate") as reader:
        arrays = {name: reader.read(name) for name in reader.entries()} | {"head/weight": TABLE + 1}
        with pytest.raises(CheckpointError, match="are said to be one array"):
            write_checked(tmp_path / "t", reader.entries(), arrays.items(), {}, {}, SHARED)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("text", ["x", "{}", "[[1]]", '["ab"]', "[[]]", "[" * 100_000])
def test_a_text_that_names_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("constate.checkpoint.sharing.encode", lambda shared: "")
    monkeypatch.setattr(layout, "OWN", layout.SUMS)
    save(tmp_path / "s", STATE, {"constate.shared": text})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="what it says of shared entries cannot be read"):
        load(tmp_path / "s")


def test_a_module_that_shares_needs_one_of_the_names_and_takes_no_two_values(tmp_path: Path) -> None:
    save(tmp_path / "s", {name: STATE[name] for name in ("embedding/weight", "bias")})
    found = fitting(tmp_path / "s", EXPECTED, entries={}, shared=SHARED)
    assert found.keys() == STATE.keys() and same_bits(found["head/weight"], TABLE)
    with pytest.raises(CheckpointError, match="head/weight: missing from the file"):
        fitting(tmp_path / "s", EXPECTED, entries={})
    save(tmp_path / "s", {**STATE, "head/weight": -TABLE})
    assert fitting(tmp_path / "s", EXPECTED, entries={}).keys() == STATE.keys()
    with pytest.raises(CheckpointError, match="embedding/weight and head/weight: are one array in the module"):
        fitting(tmp_path / "s", EXPECTED, entries={}, shared=SHARED)


def test_zeros_of_either_sign_and_nans_are_compared_by_bits(tmp_path: Path) -> None:
    expected = {"a": ((1,), "float32"), "b": ((1,), "float32")}
    save(tmp_path / "s", {"a": np.zeros(1, np.float32), "b": -np.zeros(1, np.float32)})
    with pytest.raises(CheckpointError, match="different bits in the file"):
        fitting(tmp_path / "s", expected, entries={}, shared=[["a", "b"]])
    save(tmp_path / "s", {name: np.full(1, np.nan, np.float32) for name in "ab"}, shared=[["a", "b"]])
    assert fitting(tmp_path / "s", expected, entries={}, shared=[["a", "b"]]).keys() == {"a", "b"}
