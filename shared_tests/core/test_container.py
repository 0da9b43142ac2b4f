"""The container: any reader of safetensors opens it, and no changed bit goes unseen."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis.extra.numpy as hnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from constate.checkpoint import CheckpointError, check, container, read, write
from constate.state import Array, same_bits

DTYPES = [np.dtype(getattr(ml_dtypes, name, name)) for name in container.CODES]

arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5).flatmap(
        lambda shape: st.binary(min_size=(n := int(np.prod(shape)) * dtype.itemsize), max_size=n).map(
            lambda raw: (
                (np.frombuffer(raw, np.uint8) & (1 if dtype.kind == "b" else 255))
                .astype(np.uint8)
                .view(dtype)
                .reshape(shape)
            )
        )
    )
)
states = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), arrays, max_size=4)
SMALL = {"a": np.arange(3, dtype=np.float32), "b/c": np.array(True), "d": np.zeros((0, 2), np.int8)}


@given(state=states)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Array]) -> None:
    path = tmp_path_factory.mktemp("round") / "state.safetensors"
    state.pop("__metadata__", None)
    write(path, state, {"who": "me"})
    found, metadata = read(path)
    assert metadata == {"who": "me"}
    assert found.keys() == state.keys()
    assert all(same_bits(found[name], value) for name, value in state.items())


def test_another_reader_opens_it(tmp_path: Path) -> None:
    state = {"x": np.arange(6.0).reshape(2, 3)[:, ::2], "n": np.array(7, np.int64), "z": np.arange(40, dtype=np.int16)}
    write(tmp_path / "s.safetensors", state)
    found = safetensors.numpy.load_file(tmp_path / "s.safetensors")
    assert found.keys() == state.keys()
    assert all(same_bits(found[name], np.array(value, order="C")) for name, value in state.items())


def test_every_single_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, SMALL)
    raw = path.read_bytes()
    for position in range(len(raw)):
        for bit in range(8):
            damaged = bytearray(raw)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(CheckpointError):
                read(path)


def test_every_truncation_and_every_addition_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, SMALL)
    raw = path.read_bytes()
    for damaged in [raw[:length] for length in range(len(raw))] + [raw + b"\0"]:
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            read(path)


def test_arrays_are_aligned(tmp_path: Path) -> None:
    """The data begins on 64 bytes, and every array behind arrays whose sizes are multiples of 64 does so too."""
    path = tmp_path / "s.safetensors"
    write(path, {f"{n}": np.zeros(n, np.float32) for n in (16, 3, 32, 1, 64)})
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    begins = {name: 8 + size + found["data_offsets"][0] for name, found in header.items() if name != "__metadata__"}
    assert (8 + size) % 64 == 0
    assert all(begins[name] % 64 == 0 for name in ("16", "32", "64"))
    assert all(begin % 4 == 0 for begin in begins.values())


def test_equal_state_gives_equal_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one", SMALL)
    write(tmp_path / "two", dict(reversed(SMALL.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write(path, SMALL)
    old = path.read_bytes()
    with pytest.raises(CheckpointError, match="dtype complex128 cannot be stored"):
        write(path, {"x": np.zeros(2, np.complex128)})
    with pytest.raises(TypeError):
        write(path, SMALL, {"bad": object()})  # type: ignore[dict-item]
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["s.safetensors"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="choose a folder that exists"):
        write(tmp_path / "no" / "s.safetensors", SMALL)
    with pytest.raises(CheckpointError, match="No such file"):
        read(tmp_path / "s.safetensors")


def test_a_plain_safetensors_file_is_refused_by_name(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"x": np.zeros(3)}, tmp_path / "plain.safetensors")
    with pytest.raises(CheckpointError, match="has no constate checksums"):
        read(tmp_path / "plain.safetensors")


def test_check_names_everything_that_does_not_fit() -> None:
    found = {"a": np.zeros(3, np.float32), "b": np.zeros(2, np.int8), "c": np.zeros(1), "e": np.zeros(1)}
    expected = {"a": ((4,), "float32"), "b": ((2,), "int16"), "d": ((5,), "bool"), "e": ((1,), "float64")}
    with pytest.raises(CheckpointError) as refused:
        check(Path("f"), found, expected)
    lines = str(refused.value).splitlines()
    assert lines[0] == "f was refused and nothing was changed:"
    assert [line.strip() for line in lines[1:]] == [
        "d: missing from the file, expected bool[5]",
        "a: found shape [3], expected shape [4]",
        "b: found dtype int8, expected dtype int16",
        "c: found float64[1], not expected: the module has no such entry",
    ]
    check(Path("f"), {"e": found["e"]}, {"e": expected["e"]})
