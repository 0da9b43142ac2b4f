"""Files of safetensors that lie: refused in one line, quickly, with little memory, and with nothing read elsewhere."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import open_checkpoint
from constate.checkpoint.formats.safetensors import SafetensorsFormat
from constate.errors import UsageError


def written(path: Path, header: str | bytes, data: bytes = b"", length: int | None = None) -> Path:
    """A file with this header, which says that it has this length."""
    raw = header.encode() if isinstance(header, str) else header
    path.write_bytes((len(raw) if length is None else length).to_bytes(8, "little") + raw + data)
    return path


def row(first: int, last: int, shape: object = None, dtype: str = "U8") -> str:
    """An entry of a header."""
    return json.dumps(
        {"dtype": dtype, "shape": [last - first] if shape is None else shape, "data_offsets": [first, last]}
    )


def refused(path: Path) -> str:
    """The line with which opening it is refused."""
    with pytest.raises(CheckpointError) as found:
        SafetensorsFormat().open(path)
    text = str(found.value)
    assert str(path.parent) in text
    assert "\n" not in text
    assert len(text) < 500 + len(str(path))
    return text


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (f'{{"a":{row(0, 4)},"b":{row(2, 8)}}}', "b: begins at 2, expected 4: it overlaps"),
        (f'{{"a":{row(0, 8)},"b":{row(0, 8)}}}', "b: begins at 0, expected 8: it overlaps"),
        (f'{{"a":{row(0, 8)},"b":{row(4, 4)}}}', "b: begins at 4, expected 8: it overlaps"),
        (f'{{"a":{row(0, 3)},"b":{row(4, 8)}}}', "b: begins at 4, expected 3: it leaves a gap"),
        (f'{{"a":{row(1, 8)}}}', "a: begins at 1, expected 0: it leaves a gap"),
        (f'{{"a":{row(0, 9)}}}', "truncated, found 8 bytes of data, expected 9"),
        (f'{{"a":{row(0, 7)}}}', "found 8 bytes of data, expected 7"),
        ("{}", "found 8 bytes of data, expected 0"),
        (f'{{"a":{row(0, 2**63)}}}', "a: found a shape that no array can have"),
        (f'{{"a":{row(-8, 0, [8])}}}', "a: found the offsets -8 to 0"),
        (f'{{"a":{row(8, 0, [0])}}}', "a: found the offsets 8 to 0"),
        (f'{{"a":{row(0, 8, [9])}}}', "a: found the offsets 0 to 8, expected 9 bytes"),
        (f'{{"a":{row(0, 8, [2, -4])}}}', "a: found a shape that no array can have"),
        (f'{{"a":{row(0, 8, [2**32, 2**32])}}}', "a: found the offsets 0 to 8, expected 18446744073709551616 bytes"),
        (f'{{"a":{row(0, 0, [0, 2**62, 4])},"b":{row(0, 8)}}}', "a: found shape [0, 4611686018427387904, 4], which no"),
        (f'{{"a":{row(0, 8, [8.0])}}}', "a: found no dtype, shape and two offsets"),
        (f'{{"a":{row(0, 8, [True, 8])}}}', "a: found no dtype, shape and two offsets"),
        (f'{{"a":{row(0, 8, 8)}}}', "a: found no dtype, shape and two offsets"),
        (f'{{"a":{row(0, 8, {"8": 8})}}}', "a: found no dtype, shape and two offsets"),
        ('{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,4,8]}}', "a: found no dtype, shape and two offsets"),
        ('{"a":{"dtype":"U8","shape":[8]}}', "a: found no dtype, shape and two offsets"),
        ('{"a":7}', "a: found no dtype, shape and two offsets"),
        (f'{{"a":{row(0, 8, dtype="F4" * 400)}}}', "a: found dtype 'F4F4"),
        ('{"a":{"dtype":["U8"],"shape":[8],"data_offsets":[0,8]}}', "a: found dtype ['U8'], expected one of F64"),
        (f'{{"a":{row(0, 8)},"a":{row(0, 8)}}}', "a name stands in it twice"),
        (f'{{"a":{row(0, 8)},"\\u0061":{row(0, 8)}}}', "a name stands in it twice"),
        ('{"a":{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]}}', "a name stands in it twice"),
        (f'{{"__metadata__":{{"k":7}},"a":{row(0, 8)}}}', "the metadata is not a mapping of strings"),
        (f'{{"__metadata__":[],"a":{row(0, 8)}}}', "the metadata is not a mapping of strings"),
        (f'{{"__metadata__":{{"constate.xxh3":""}},"a":{row(0, 8)}}}', "checksums of arrays and none of the header"),
        (f'{{"__metadata__":{{"constate.header":"\\ud800"}},"a":{row(0, 8)}}}', "does not match its checksum"),
        ("[]", "the header is no mapping"),
        ('{"a":', "the header cannot be read"),
        (b'{"\xff":1}', "the header cannot be read"),
        ("[" * 100_000, "the header cannot be read"),
        ('{"a":' * 100_000, "the header cannot be read"),
        (f'{{"a":{"9" * 100_000}}}', "the header cannot be read"),
    ],
)  # fmt: skip
def test_a_header_that_lies(tmp_path: Path, header: str | bytes, said: str) -> None:
    assert said in refused(written(tmp_path / "s.safetensors", header, bytes(8)))


@pytest.mark.parametrize("length", [0, 3, 9, 10, 100_000_001, 2**63, 2**64 - 1])
def test_a_length_that_lies(tmp_path: Path, length: int) -> None:
    refused(written(tmp_path / "s.safetensors", "{}", b"", length))


@pytest.mark.parametrize("raw", [b"", b"\0", b"\x02\0\0\0\0\0\0"])
def test_a_file_that_is_too_short(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "s.safetensors"
    path.write_bytes(raw)
    assert f"found {len(raw)} bytes" in refused(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for."""
    os.mkfifo(tmp_path / "s.safetensors")
    assert "found no file there" in refused(tmp_path / "s.safetensors")
    (tmp_path / "loop.safetensors").symlink_to("loop.safetensors")
    assert "found no file there" in refused(tmp_path / "loop.safetensors")


def test_a_shape_of_a_million_dimensions_is_not_multiplied(tmp_path: Path) -> None:
    header = f'{{"a":{row(0, 8, [2**62] * 500_000)}}}'
    path, begun = written(tmp_path / "s.safetensors", header, bytes(8)), time.monotonic()
    assert "a: found a shape that no array can have, of 500000 dimensions" in refused(path)
    assert time.monotonic() - begun < 10


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(1000)}, path)
    with SafetensorsFormat().open(path) as reader:
        os.truncate(path, path.stat().st_size - 8)
        with pytest.raises(CheckpointError, match="a: truncated while it was read"):
            reader.read("a")


def indexed(folder: Path, found: object) -> Path:
    path = folder / "model.safetensors.index.json"
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    return path


@pytest.mark.parametrize(
    "shard",
    ["../secret.safetensors", "/etc/secret.safetensors", "./a.safetensors", "below/a.safetensors", "..", ".", "",
     "..\\secret.safetensors", "model.safetensors.index.json", "a.safetensors\0", "a.pt"],
)  # fmt: skip
def test_an_index_that_points_elsewhere(tmp_path: Path, shard: str) -> None:
    folder = tmp_path / "model"
    (folder / "below").mkdir(parents=True)
    for place in (tmp_path / "secret", folder / "a", folder / "below" / "a"):
        safetensors.numpy.save_file({"x": np.zeros(1)}, place.with_suffix(".safetensors"))
    said = refused(indexed(folder, {"weight_map": {"x": shard}}))
    assert f"x: found the file {shard!r}, expected the name of a *.safetensors file beside the index" in said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("[]", "found no mapping of names to files"),
        ("{}", "found no mapping of names to files"),
        ('{"weight_map":{"x":["a.safetensors"]}}', "found no mapping of names to files"),
        ('{"weight_map":{"x":"a.safetensors","x":"b.safetensors"}}', "a name stands in it twice"),
        ("[" * 100_000, "the index cannot be read"),
        ('{"weight_map":{"x":"gone.safetensors"}}', "gone.safetensors: found no file there"),
        ('{"weight_map":{"x":"\\ud800.safetensors"}}', "found no file there"),
        ('{"weight_map":{"y":"a.safetensors"}}', "y: named in the index and missing from a.safetensors"),
        ('{"weight_map":{"x":"a.safetensors"}}', "z: in a.safetensors, and the index does not say so"),
        ('{"weight_map":{"x":"a.safetensors","z":"a.safetensors","w":"itself.safetensors"}}', "itself.safetensors: "),
    ],
)
def test_an_index_that_does_not_fit(tmp_path: Path, found: str, said: str) -> None:
    safetensors.numpy.save_file({"x": np.zeros(1), "z": np.zeros(1)}, tmp_path / "a.safetensors")
    (tmp_path / "itself.safetensors").symlink_to("model.safetensors.index.json")
    assert said in refused(indexed(tmp_path, found))


def test_an_index_too_long(tmp_path: Path) -> None:
    path = indexed(tmp_path, {})
    os.truncate(path, 2**40)
    assert "expected at most 100000000" in refused(path)


def unclear(path: Path) -> str:
    """The line that asks which of the files of a folder is meant."""
    with pytest.raises(UsageError) as found:
        SafetensorsFormat().open(path)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_a_folder_of_two_indices(tmp_path: Path) -> None:
    indexed(tmp_path, {})
    (tmp_path / "other.safetensors.index.json").touch()
    assert "found model.safetensors.index.json, other.safetensors.index.json, expected one *" in unclear(tmp_path)


def test_a_folder_of_files_without_an_index(tmp_path: Path) -> None:
    for number in range(7):
        safetensors.numpy.save_file({"x": np.zeros(1)}, tmp_path / f"m\n{number}-of-7.safetensors")
    said = unclear(tmp_path)
    assert r"found m\n0-of-7.safetensors, m\n1-of-7.safetensors, " in said
    assert r"m\n4-of-7.safetensors, …, expected one file, or an index *.safetensors.index.json of them" in said


def test_a_folder_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").mkdir()
    assert "found no *.safetensors in it" in refused(tmp_path)


def test_a_million_tiny_entries(tmp_path: Path) -> None:
    """Time and memory grow with the size of the file, and with nothing else."""
    number = 1_000_000
    rows = (f'"{i}":{{"dtype":"U8","shape":[],"data_offsets":[{i},{i + 1}]}}' for i in range(number))
    path = written(tmp_path / "s.safetensors", f"{{{','.join(rows)}}}", bytes(number))
    begun = time.monotonic()
    with open_checkpoint(path, "safetensors") as reader:
        assert len(reader.entries()) == number
        assert reader.read("999999").shape == ()
    assert time.monotonic() - begun < 60


def test_memory_is_bounded_by_the_file(tmp_path: Path) -> None:
    """What is taken is a small multiple of the header, whatever the header says."""
    rows = (f'"{i}":{{"dtype":"U8","shape":[{2**40},0],"data_offsets":[0,0]}}' for i in range(20_000))
    path = written(tmp_path / "s.safetensors", f"{{{','.join(rows)}}}")
    tracemalloc.start()
    try:
        with SafetensorsFormat().open(path) as reader:
            assert all(reader.read(name).size == 0 for name in reader.entries())
        assert tracemalloc.get_traced_memory()[1] < 25 * path.stat().st_size
    finally:
        tracemalloc.stop()
