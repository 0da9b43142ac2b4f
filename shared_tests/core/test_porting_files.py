"""Weight maps as files that a person edits."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from constate.errors import UsageError
from constate.porting import WeightMap, map_files
from constate.porting.rows import Row
from constate.porting.slices import parted, place

HOSTILE = ['a"b', "a\\b", "a\nb", "a'''b", 'a"""b', "a # b", "ключ/重み", "a\x7fb", "a\x00\x1b[31m", "a\u2028\x85b", ""]


@st.composite
def names(draw: st.DrawFn) -> str:
    """Any text that does not end in what looks like a part and is none."""
    name = draw(st.sampled_from(HOSTILE) | st.text())
    try:
        place(parted(name)[1])
    except ValueError:
        assume(False)
    return name + draw(st.sampled_from(["", "[0:3]", "[1, ::-1]", ".reshape(2, -1)[0]"]))


SIZES = st.dictionaries(st.text(min_size=1) | st.sampled_from(["heads", "c"]), st.integers(1, 2**40), max_size=2)
FILLED = st.builds(Row, names(), st.lists(names(), min_size=1, max_size=3).map(tuple), st.text(), SIZES)
CONSTANT = st.builds(lambda name, value: Row(name, value=value), names(), st.floats(allow_nan=False))
NAMES = st.lists(names(), max_size=2).map(tuple)
MAPS = st.builds(WeightMap, st.lists(FILLED | CONSTANT, min_size=1, max_size=4).map(tuple), NAMES, NAMES)


@given(MAPS, st.text(), st.lists(st.text(), min_size=1, max_size=4))
def test_a_file_says_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, weights: WeightMap, title: str, heads: list[str]
) -> None:
    path = tmp_path_factory.mktemp("map") / "map.toml"
    above = {row.target: head for row, head in zip(weights.rows, heads, strict=False)}
    map_files.write(path, map_files.to_text(weights, title, above))
    assert map_files.read(path) == weights


def test_a_person_finds_what_to_edit() -> None:
    row = Row("dense/kernel", ("fc.weight[0:4]",), "o i -> i o")
    text = map_files.to_text(WeightMap((row,), kept=("count",)), "a to b", {"dense/kernel": "fc -> dense (dense)"})
    lines = text.splitlines()
    place = lines.index(
        '  { target = "dense/kernel", source = "fc.weight[0:4]", rearrange = "o i -> i o" },',
    )
    assert lines[place - 1] == "  # fc -> dense (dense)"
    assert lines[0] == "# a to b"
    assert tomllib.loads(text)["kept"] == ["count"]


ROW = '{ target = "t", source = "a" }'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows = [", "is no TOML file"),
        ("a = 1\na = 2", "is no TOML file"),
        (b"\xff\xfe", "is no TOML file"),
        (f"rows = [{ROW}]", "found version = None, expected 1"),
        (f"version = 2\nrows = [{ROW}]", "found version = 2, expected 1"),
        (f"version = 1\nrow = []\nrows = [{ROW}]", "found the key 'row', expected version, left_out, kept and rows"),
        ("version = 1", "expected a list of rows"),
        ("version = 1\nrows = 3", "expected a list of rows"),
        (f'version = 1\nkept = "a"\nrows = [{ROW}]', "found kept = 'a', expected a list of names"),
        (f"version = 1\nleft_out = [1]\nrows = [{ROW}]", r"found left_out = \[1\], expected a list of names"),
        ("version = 1\nrows = [3]", "found the row 3, expected one with target"),
        ('version = 1\nrows = [{ source = "a" }]', "expected one with target"),
        ('version = 1\nrows = [{ target = "t" }]', "the row that fills t: expected either a source or a value"),
        (
            'version = 1\nrows = [{ target = "t", source = "a", value = 0.0 }]',
            "the row that fills t: expected either a source or a value",
        ),
        ('version = 1\nrows = [{ target = "t", source = [1] }]', r"the row that fills t: found source = \[1\]"),
        ('version = 1\nrows = [{ target = "t", source = "a", sizes = { x = true } }]', "found sizes = {'x': True}"),
        ('version = 1\nrows = [{ target = "t", source = "a", rearrange = 1 }]', "found rearrange = 1"),
        ('version = 1\nrows = [{ target = "t", value = "0" }]', "found value = '0'"),
        ('version = 1\nrows = [{ target = "t", source = "a", axes = "x" }]', "found axes = 'x'"),
        ('version = 1\nrows = [{ target = "t[1 2]", source = "a" }]', r"the row that fills t\[1 2\]: found the part"),
        ('version = 1\nrows = [{ target = "t", source = "a[::0]" }]', r"found the part \[::0\], expected one such as"),
    ],
)
def test_a_file_that_says_no_map(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "map.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=message) as refused:
        map_files.read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*map.toml: No such file"):
        map_files.read(tmp_path / "map.toml")
