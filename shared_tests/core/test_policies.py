"""What a container says of its entries beside their bits: kinds, what is saved, what a cast touches."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from constate.checkpoint import CheckpointError, Policy, Saver, layout, load, load_shards, read, save, save_shards
from constate.checkpoint.converting import convert
from constate.checkpoint.formats import open_checkpoint
from constate.checkpoint.formats.safetensors import ConstateFormat, SafetensorsFormat
from constate.state import Entry, Kind

EVERY = [Policy(*found) for found in product([*Kind, None], [True, False], [None, True, False])]
STATE = {f"e{n:02}": np.full(n % 5, n, np.float32) for n in range(len(EVERY))}
POLICIES = dict(zip(STATE, EVERY, strict=True))
FEW = {"w": np.zeros(3, np.float32), "count": np.array(7), "odd": np.ones(2)}
KNOWN = {
    "w": Policy(Kind.PARAMETER, cast=False),
    "count": Policy(Kind.COUNTER),
    "mask": Policy(Kind.DERIVED, persistent=False),
    "x": Policy(persistent=False),
}


def test_every_policy_comes_back(tmp_path: Path) -> None:
    save(tmp_path / "s", STATE, {"who": "me"}, entries=POLICIES)
    found, metadata = read(tmp_path / "s")
    assert found.policies == POLICIES and metadata == {"who": "me"}
    with open_checkpoint(tmp_path / "s", "constate") as reader:
        assert reader.policies() == POLICIES and reader.metadata() == {"who": "me"} and not list(reader.verify())


def test_entries_that_are_not_in_the_file_are_known_and_what_nobody_knows_is_not(tmp_path: Path) -> None:
    save(tmp_path / "s", FEW, entries=KNOWN)
    assert load(tmp_path / "s").policies == {**KNOWN, "odd": Policy()}
    save(tmp_path / "nothing", FEW, entries={"odd": Policy()})
    save(tmp_path / "plain", FEW)
    assert (tmp_path / "nothing").read_bytes() == (tmp_path / "plain").read_bytes()
    assert load(tmp_path / "plain").policies == {}


def test_a_declared_entry_says_it_too(tmp_path: Path) -> None:
    save(tmp_path / "s", FEW, entries={"w": Entry("w", Kind.STATISTIC, (3,), "float32", cast=False)})
    assert load(tmp_path / "s").policies["w"] == Policy(Kind.STATISTIC, True, False)


def test_equal_state_gives_equal_bytes(tmp_path: Path) -> None:
    save(tmp_path / "one", FEW, entries=KNOWN)
    save(tmp_path / "two", dict(reversed(FEW.items())), entries=dict(reversed(KNOWN.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_another_reader_opens_it(tmp_path: Path) -> None:
    save(tmp_path / "s", STATE, entries=POLICIES, shared=[["e00", "e30"]])
    assert safetensors.numpy.load_file(tmp_path / "s").keys() == STATE.keys()
    with safetensors.safe_open(tmp_path / "s", "np") as opened:
        assert all(type(value) is str for value in opened.metadata().values())


def test_it_costs_a_byte_an_entry_and_the_header_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {f"block/{n}/kernel": np.zeros(4, np.float32) for n in range(5000)}
    save(tmp_path / "without", state)
    save(tmp_path / "with", state, entries={name: EVERY[n % 9] for n, name in enumerate(state)})
    assert (tmp_path / "with").stat().st_size - (tmp_path / "without").stat().st_size < 6000

    def slowly(path: Path, text: bytes) -> None:
        raise AssertionError("the header is decoded in the slow way")

    monkeypatch.setattr(layout, "_decoded", slowly)
    assert len(load(tmp_path / "with").policies) == 5000


def test_what_is_said_to_be_saved_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"^gone: found no array of this name"):
        save(tmp_path / "s", FEW, entries={"gone": Policy(Kind.PARAMETER)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["constate.entries", "constate.shared"])
def test_the_keys_are_taken(tmp_path: Path, key: str) -> None:
    with pytest.raises(CheckpointError, match="choose another one"):
        save(tmp_path / "s", FEW, {key: "x"})


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        "7",
        "{}",
        "[" * 100_000,
        '{"policies": {"a": {}},"entries": "aa"}',
        '{"policies": {"a": {}},"entries": "aab"}',
        '{"policies": {"a": {}},"entries": ["a","a","a"]}',
        '{"policies": {"a": 3},"entries": "aaa"}',
        '{"policies": {"a": {"persistent": 1}},"entries": "aaa"}',
        '{"policies": {"a": {"cast": "no"}},"entries": "aaa"}',
        '{"policies": {"a": {"kind": []}},"entries": "aaa"}',
        '{"policies": {"a": {}},"entries": "aaa","unsaved": {"x": "b"}}',
        '{"policies": {"a": {}},"entries": "aaa","unsaved": ["x"]}',
    ],
)
def test_a_text_that_says_nothing_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("constate.checkpoint.policies.encode", lambda entries, names: text)
    save(tmp_path / "s", FEW)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="what it says of its entries cannot be read") as refused:
        assert load(tmp_path / "s").policies
    assert str(refused.value).count("\n") == 0 and len(str(refused.value)) < 400
    if text.endswith('"aa"}'):
        assert "it is for 2 entries, expected 3" in str(refused.value)
    with open_checkpoint(tmp_path / "s", "constate") as reader, pytest.raises(CheckpointError):
        reader.policies()


def test_a_kind_of_a_later_version_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"policies": {"a": {"kind": "quantum", "cast": False}}, "entries": "aaa"})
    monkeypatch.setattr("constate.checkpoint.policies.encode", lambda entries, names: text)
    save(tmp_path / "s", FEW)
    assert load(tmp_path / "s").policies["w"] == Policy(None, True, False)


def test_a_saver_and_shards_say_it_too(tmp_path: Path) -> None:
    with Saver() as saver:
        saver.save(tmp_path / "one", FEW, entries=KNOWN, shared=[["w"]])
    assert load(tmp_path / "one").policies == {**KNOWN, "odd": Policy()}
    index = tmp_path / "m.safetensors.index.json"
    save_shards(index, FEW, 1, entries=KNOWN)
    assert load_shards(index).keys() == FEW.keys()
    with open_checkpoint(index) as reader:
        assert {name: policy for name, policy in reader.policies().items() if policy != Policy()} == KNOWN


def test_converting_keeps_them_and_gives_the_bytes_of_a_save(tmp_path: Path) -> None:
    save(tmp_path / "s", FEW, {"who": "me"}, entries=KNOWN, shared=[["w", "w2"]])
    save_shards(tmp_path / "m.safetensors.index.json", FEW, 1, {"who": "me"}, entries=KNOWN, shared=[["w", "w2"]])
    for source in ("s", "m.safetensors.index.json"):
        with open_checkpoint(tmp_path / source) as reader:
            assert convert(reader, tmp_path / "copy", ConstateFormat()).keys() <= {"total_size"}
        assert load(tmp_path / "copy").policies == {**KNOWN, "odd": Policy()}
        assert load(tmp_path / "copy").shared == [["w", "w2"]]
        if source == "s":
            assert (tmp_path / "copy").read_bytes() == (tmp_path / "s").read_bytes()


def test_what_another_format_cannot_hold_is_said_in_a_line_each(tmp_path: Path) -> None:
    save(tmp_path / "s", FEW, entries=KNOWN, shared=[["w", "w2"], ["odd", "odd2"]])
    with open_checkpoint(tmp_path / "s", "constate") as reader:
        lost = convert(reader, tmp_path / "plain", SafetensorsFormat())
    assert lost == {
        "constate.entries": "not known 2, counter 1, derived 1, parameter 1",
        "constate.shared": "2 arrays that have several names",
    }
    assert open_checkpoint(tmp_path / "plain", "safetensors").policies() == {}


def test_what_another_writer_put_there_is_not_believed(tmp_path: Path) -> None:
    noted = {"constate.entries": "aa", "constate.shared": "b", "who": "me"}
    safetensors.numpy.save_file(FEW, tmp_path / "plain", noted)
    with open_checkpoint(tmp_path / "plain", "safetensors") as reader:
        assert reader.policies() == {} and reader.metadata() == noted
        assert convert(reader, tmp_path / "s", ConstateFormat()) == {key: noted[key] for key in [*noted][:2]}
    found, metadata = read(tmp_path / "s")
    assert (found.policies, found.shared, metadata) == ({}, [], {"who": "me"})
