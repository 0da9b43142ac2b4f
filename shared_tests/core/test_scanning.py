"""Headers looked through at once: what is found is what JSON says, and where it is not, nothing is."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from constate.checkpoint import CheckpointError, layout, load, save
from constate.checkpoint.scanning import scan
from constate.state import Array, same_bits

STATE: dict[str, Array] = {
    "layer/weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "layer/bias": np.arange(16, dtype=np.uint8),
    "step": np.array(7),
    "empty": np.zeros((0, 3), np.int16),
    "Ünicode\n": np.ones(1, np.bool_),
}
PLAIN = {name: array for name, array in STATE.items() if name.isascii()}
ODD = [*b'"\\,:{}[] 0179-.eE+\x00\x1f\x7f\xc3\xff']
"""Bytes that mean something to JSON, or to nobody."""


def header(folder: Path, state: dict[str, Array]) -> bytes:
    """What stands before the data, without its length."""
    save(folder / "m.safetensors", state, {"note": 'a "quoted" \\ ü'})
    raw = (folder / "m.safetensors").read_bytes()
    return raw[8 : 8 + int.from_bytes(raw[:8], "little")]


def paired(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping in which no name stands twice."""
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def require_as_json(text: bytes) -> bool:
    """Whether something is found; fail where it is anything but what JSON says."""
    found = scan(text, layout.unique)
    if found is None:
        return False
    said = json.loads(text, object_pairs_hook=paired)
    assert found.metadata == said.pop("__metadata__")
    assert list(found.rows) == list(said)
    assert {name: found.rows[name] for name in found.rows} == said
    end = 0
    for row in said.values():
        begin, last = row["data_offsets"]
        assert (type(begin), type(last)) == (int, int)
        assert begin == end
        end = last
    assert found.end == end
    return True


def test_what_is_written_is_found(tmp_path: Path) -> None:
    assert require_as_json(header(tmp_path, PLAIN))
    assert require_as_json(header(tmp_path, {f"layer{n}/w": np.ones(n, np.int16) for n in range(1000)}))


@pytest.mark.parametrize("state", [{}, STATE, {'a"': np.ones(2)}, {"a\\": np.ones(2)}])
def test_what_is_written_otherwise_is_left_to_json(tmp_path: Path, state: dict[str, Array]) -> None:
    assert not require_as_json(header(tmp_path, state))
    found = load(tmp_path / "m.safetensors", verify=False)
    assert {*found} == {*state}
    assert all(same_bits(found[name], state[name]) for name in state)


def changes(text: bytes) -> Iterator[bytes]:
    """Every byte left out, and replaced by odd ones or with one before it; stretches doubled or exchanged."""
    for place in range(len(text)):
        yield text[:place] + text[place + 1 :]
        for odd in ODD:
            yield text[:place] + bytes([odd]) + text[place + 1 :]
            yield text[:place] + bytes([odd]) + text[place:]
    draw = random.Random(0)
    for _ in range(5000):
        a, b, c, d = sorted(draw.randrange(len(text)) for _ in range(4))
        yield text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]
        yield text[:b] + text[a:]


def test_no_change_is_misread(tmp_path: Path) -> None:
    text = header(tmp_path, {"a/w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7), "c": np.ones(3)})
    text = text[:17] + b'"n":"1"' + text[text.index(b'},"') :]  # checksums are only text here
    assert require_as_json(text)
    found = [changed for changed in changes(text.rstrip()) if require_as_json(changed)]
    assert len(found) > 100, "names, dtypes and shapes can be changed and still be right"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([b'"c":'], [b'"__metadata__":']),
        ([b"[0,8]", b"[8,32]"], [b"[0,8,8]", b"[32]"]),
        ([b"[0,8]"], [b"[0,8,8,8]"]),
        ([b"[0,8]"], [b"[0,8]8,8]"]),
    ],
)
def test_what_only_looks_right(tmp_path: Path, old: list[bytes], new: list[bytes]) -> None:
    text = header(tmp_path, {"b": np.array(7), "c": np.ones(3)})
    assert require_as_json(text)
    for one, other in zip(old, new, strict=True):
        assert one in text
        text = text.replace(one, other)
    assert scan(text, layout.unique) is None


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"data_offsets":[8,32]', b'"data_offsets":[9,32]', "begins at 9, expected 8"),
        (b'"data_offsets":[32,48]', b'"data_offsets":[32,49]', "expected 49"),
        (b'"layer/bias":', b'"layer/same":', ""),
        (b'"step"', b'"empty"', "a name stands in it twice"),
        (b'"shape":[2,3]', b'"shape":[2,,3]', "the header cannot be read"),
        (b'"shape":[2,3]', b'"shape":[02,3]', "the header cannot be read"),
        (b'"data_offsets":[32,48]', b'"data_offsets":[32,4e1]', "two numbers"),
        (b'"data_offsets":[32,48]', b'"data_offsets":[32,]', "the header cannot be read"),
    ],
)
def test_nothing_is_let_through(tmp_path: Path, verify: bool, old: bytes, new: bytes, said: str) -> None:
    text = header(tmp_path, PLAIN)
    assert old in text
    text = text.replace(old, new).rstrip()
    raw = (tmp_path / "m.safetensors").read_bytes()
    data = raw[8 + int.from_bytes(raw[:8], "little") :]
    path = tmp_path / "changed.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    with pytest.raises(CheckpointError, match=said or "does not match its checksum"):
        load(path, verify=verify)
