"""The container: any reader of safetensors opens it, and no changed bit goes unseen."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
import tracemalloc
from pathlib import Path

import hypothesis.extra.numpy as hnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from constate.checkpoint import CheckpointError, check, layout, load, read, save
from constate.state import Array, aligned, same_bits

DTYPES = [np.dtype(getattr(ml_dtypes, name, name)) for name in layout.DTYPES.values()]

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
    save(path, state, {"who": "me"})
    found, metadata = read(path)
    assert metadata == {"who": "me"}
    assert found.keys() == state.keys()
    assert all(same_bits(found[name], value) for name, value in state.items())


def test_another_reader_opens_it(tmp_path: Path) -> None:
    state = {"x": np.arange(6.0).reshape(2, 3)[:, ::2], "n": np.array(7, np.int64), "z": np.arange(40, dtype=np.int16)}
    save(tmp_path / "s.safetensors", state)
    found = safetensors.numpy.load_file(tmp_path / "s.safetensors")
    assert found.keys() == state.keys()
    assert all(same_bits(found[name], np.array(value, order="C")) for name, value in state.items())


def test_every_single_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save(path, SMALL)
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
    save(path, SMALL)
    raw = path.read_bytes()
    for damaged in [raw[:length] for length in range(len(raw))] + [raw + b"\0"]:
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            read(path)


def test_arrays_are_aligned(tmp_path: Path) -> None:
    """The data begins on 64 bytes, and every array behind arrays whose sizes are multiples of 64 does so too."""
    path = tmp_path / "s.safetensors"
    save(path, {f"{n}": np.zeros(n, np.float32) for n in (16, 3, 32, 1, 64)})
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    begins = {name: 8 + size + found["data_offsets"][0] for name, found in header.items() if name != "__metadata__"}
    assert (8 + size) % 64 == 0
    assert all(begins[name] % 64 == 0 for name in ("16", "32", "64"))
    assert all(begin % 4 == 0 for begin in begins.values())


def test_aligned_memory() -> None:
    kept = [aligned(size) for size in range(200)]
    assert [array.nbytes for array in kept] == [*range(200)]
    assert all(array.__array_interface__["data"][0] % 64 == 0 for array in kept if array.nbytes)


def test_equal_state_gives_equal_bytes(tmp_path: Path) -> None:
    save(tmp_path / "one", SMALL)
    save(tmp_path / "two", dict(reversed(SMALL.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save(path, SMALL)
    old = path.read_bytes()
    with pytest.raises(CheckpointError, match="dtype complex128 cannot be stored"):
        save(path, {"x": np.zeros(2, np.complex128)})
    with pytest.raises(TypeError):
        save(path, SMALL, {"bad": object()})  # type: ignore[dict-item]
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["s.safetensors"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="choose a folder that exists"):
        save(tmp_path / "no" / "s.safetensors", SMALL)
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


@pytest.mark.parametrize("name", ["__metadata__", "\ud800"])
def test_a_name_that_the_format_cannot_hold(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="cannot be stored; choose another name"):
        save(tmp_path / "s.safetensors", {**SMALL, name: np.zeros(3)})
    assert not list(tmp_path.iterdir())


def test_keys_of_the_container_are_its_own(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="choose another one"):
        save(tmp_path / "s.safetensors", SMALL, {"constate.header": "x"})
    assert not list(tmp_path.iterdir())


def test_a_header_that_no_reader_takes_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "HEADER_LIMIT", 100)
    with pytest.raises(CheckpointError, match="write the state to several files"):
        save(tmp_path / "s.safetensors", SMALL)
    assert not list(tmp_path.iterdir())


def test_a_strided_array_larger_than_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("constate.checkpoint.container.PIECE", 64)
    whole = np.arange(5 * 40 * 3, dtype=np.int16).reshape(5, 40, 3)
    state = {"t": whole.T, "s": whole[::2, ::-1], "z": np.broadcast_to(np.float32(3), (7, 9)), "e": whole[:0].T}
    save(tmp_path / "s.safetensors", state)
    found = load(tmp_path / "s.safetensors")
    assert all(same_bits(found[name], np.array(value, order="C")) for name, value in state.items())


def test_without_verification_only_the_header_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save(path, {"a": np.zeros(100), "b": np.ones(100)})
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="b: the data does not match its checksum"):
        load(path)
    found = load(path, verify=False)
    assert list(found) == ["a", "b"] and found["a"] is found["a"] and not found["a"].any() and found["b"][-1] != 1
    found["a"][:] = 7  # writes to memory, and not to the file
    assert path.read_bytes() == raw


def test_many_axes_are_refused_at_once(tmp_path: Path) -> None:
    """The product of many large numbers takes a time that grows with the square of their count."""
    seal(
        tmp_path / "s.safetensors",
        f'{{"__metadata__":{{"constate.header":"{layout.BLANK}","constate.xxh3":"{NONE}"}},'
        f'"a":{{"dtype":"F32","shape":[{",".join([str(2**62)] * 40_000)}],"data_offsets":[0,0]}}}}',
    )
    begun = time.perf_counter()
    with pytest.raises(CheckpointError, match="which cannot be") as refused:
        read(tmp_path / "s.safetensors")
    assert time.perf_counter() - begun < 2 and len(str(refused.value)) < 500


NONE = xxhash.xxh3_128_hexdigest(b"")


@pytest.mark.parametrize(
    "entries",
    [
        f'"a":{{"dtype":"F32","shape":{[0] * 99},"data_offsets":[0,0]}}',
        f'"a":{{"dtype":"F32","shape":[0,{2**70}],"data_offsets":[0,0]}}',
        f'"a":{{"dtype":"F32","shape":[{2**62},{2**62}],"data_offsets":[0,0]}}',
        f'"a":{{"dtype":"F32","shape":[{2**62}],"data_offsets":[0,{2**64}]}}',
        '"a":{"dtype":"F32","shape":[0],"data_offsets":[0,-1]}',
        '"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,0]}',
        '"a":{"dtype":["F32"],"shape":[0],"data_offsets":[0,0]}',
        '"a":{"dtype":"F32","shape":[7],"data_offsets":[0,28]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}',
        '"a":[]',
    ],
)
def test_a_hostile_header_with_right_checksums_is_refused(tmp_path: Path, entries: str) -> None:
    checksums = f'"constate.header":"{layout.BLANK}","constate.xxh3":"{NONE}"'
    seal(tmp_path / "s.safetensors", f'{{"__metadata__":{{{checksums}}},{entries}}}')
    with pytest.raises(CheckpointError):
        read(tmp_path / "s.safetensors")


@pytest.mark.parametrize("text", ["[]", '{"__metadata__":null}', '{"__metadata__":{"constate.header":"\\ud800"}}'])
def test_a_header_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    seal(tmp_path / "s.safetensors", text)
    with pytest.raises(CheckpointError):
        read(tmp_path / "s.safetensors")


@pytest.mark.parametrize("size", [4, 12])
def test_a_range_that_does_not_fit_a_shape_seen_before_is_refused(tmp_path: Path, size: int) -> None:
    data = bytes(range(8 + size))
    checksums = "".join(map(xxhash.xxh3_128_hexdigest, (data[:8], data[8:])))
    form = '"dtype":"F32","shape":[2],"data_offsets":'
    entries = f'"a":{{{form}[0,8]}},"b":{{{form}[8,{8 + size}]}}'
    notes = f'"constate.header":"{layout.BLANK}","constate.xxh3":"{checksums}"'
    seal(tmp_path / "s.safetensors", f'{{"__metadata__":{{{notes}}},{entries}}}', data)
    with pytest.raises(CheckpointError, match=r"b: is described by .* which cannot be"):
        read(tmp_path / "s.safetensors")


def seal(path: Path, text: str, data: bytes = b"") -> None:
    """Write a header with its checksum, and data."""
    blanked = len(text).to_bytes(8, "little") + text.encode()
    checksum = xxhash.xxh3_128_hexdigest(blanked)
    path.write_bytes(blanked.replace(layout.BLANK.encode(), checksum.encode(), 1) + data)


def test_the_mode_is_that_of_a_plain_write(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain", tmp_path / "s.safetensors"
    plain.touch()
    save(path, SMALL)
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    save(path, SMALL)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "step_1").touch()
    (tmp_path / "latest").symlink_to("step_1")
    save(tmp_path / "latest", SMALL)
    assert (tmp_path / "latest").is_symlink()
    assert read(tmp_path / "step_1")[0].keys() == SMALL.keys()


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(CheckpointError, match="it is there and is no file"):
            save(tmp_path / name, SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


@pytest.mark.parametrize("most", [1, 7, 100, 1500])
def test_a_disk_that_takes_less_than_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    state = SMALL | {str(dtype): np.ones((3, 2), dtype) for dtype in DTYPES}
    save(tmp_path / "whole", state)
    write = os.write
    monkeypatch.setattr(os, "writev", lambda file, pieces: write(file, b"".join(pieces)[:most]))
    monkeypatch.setattr(os, "write", lambda file, piece: write(file, piece[:most]))
    save(tmp_path / "part", state)
    assert (tmp_path / "part").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.safetensors"
    save(path, SMALL)
    old = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save(path, {"x": np.zeros(3)})
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["s.safetensors"]


def test_memory_beyond_the_arrays_is_small(tmp_path: Path) -> None:
    """Neither a write nor a read holds a second copy of the state."""
    state = {name: np.ones(2**20) for name in "abcd"}
    tracemalloc.start()
    try:
        save(tmp_path / "s.safetensors", state)
        assert tracemalloc.get_traced_memory()[1] < 2**20
        found, _ = read(tmp_path / "s.safetensors")
        assert tracemalloc.get_traced_memory()[1] < sum(array.nbytes for array in found.values()) + 2**20
    finally:
        tracemalloc.stop()
