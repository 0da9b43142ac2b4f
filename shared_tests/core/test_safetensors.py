"""Files of safetensors of any writer, shards and the container: what the reader gives is what the writer was given."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from constate.checkpoint import CheckpointError, save
from constate.checkpoint.formats import SEPARATOR_NOTE, Form, open_checkpoint
from constate.checkpoint.formats.recognising import recognise
from constate.checkpoint.formats.safetensors import ConstateFormat, SafetensorsFormat
from constate.errors import Unsupported
from constate.state import Array, same_bits

CODES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_, "C64": np.complex64,
}  # fmt: skip
"""As https://github.com/huggingface/safetensors#format names them."""
STATE = {
    "encoder.norm.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "encoder.norm.count": np.array(7),
    "head.bias": np.zeros((0, 3), np.float16),
}


def by_hand(path: Path, rows: str, data: bytes = b"") -> Path:
    """A file with this header."""
    header = rows.encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def sharded(folder: Path, shards: dict[str, dict[str, Array]], **more: object) -> Path:
    """Files with an index, as the libraries of Hugging Face lay them out."""
    for shard, state in shards.items():
        safetensors.numpy.save_file(state, folder / shard, {"format": "pt"})
    homes = {name: shard for shard, state in shards.items() for name in state}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 96}, "weight_map": homes, **more}))
    return path


@pytest.mark.parametrize("code", CODES)
def test_every_dtype_comes_bit_for_bit(tmp_path: Path, code: str) -> None:
    dtype = np.dtype(CODES[code])
    raw = bytes(range(6 * dtype.itemsize)) if code != "BOOL" else bytes([0, 1, 1, 0, 0, 1])
    rows = f'{{"x":{{"dtype":"{code}","shape":[2,3],"data_offsets":[0,{len(raw)}]}}}}'
    path = by_hand(tmp_path / "s.safetensors", rows, raw)
    ((_, seen),) = safetensors.deserialize(path.read_bytes())
    assert (seen["dtype"], bytes(seen["data"])) == (code, raw), "the library takes it for the same"
    with SafetensorsFormat().open(path) as reader:
        assert reader.entries() == {"x": Form((2, 3), str(dtype))}
        found = reader.read("x")
    assert (found.dtype, found.shape, found.tobytes()) == (dtype, (2, 3), raw)
    assert found.flags.writeable


def test_names_of_torch_have_levels(tmp_path: Path) -> None:
    safetensors.numpy.save_file(STATE, tmp_path / "s.safetensors", {"format": "pt"})
    with open_checkpoint(tmp_path / "s.safetensors") as reader:
        assert sorted(reader.entries()) == ["encoder/norm/count", "encoder/norm/weight", "head/bias"]
        assert reader.metadata() == {"format": "pt", SEPARATOR_NOTE: "."}
        assert all(same_bits(reader.read(name.replace(".", "/")), value) for name, value in STATE.items())
        with pytest.raises(CheckpointError, match=r"encoder\.norm\.count: there is no such entry"):
            reader.read("encoder.norm.count")


@pytest.mark.parametrize("names", [["a/b.0/c", "d.e"], ["weight", "bias"], ["a/b"]])
def test_other_names_stay(tmp_path: Path, names: list[str]) -> None:
    """A slash anywhere says that slashes stand between levels, and dots within them."""
    safetensors.numpy.save_file({name: np.zeros(2) for name in names}, tmp_path / "s.safetensors")
    with SafetensorsFormat().open(tmp_path / "s.safetensors") as reader:
        assert sorted(reader.entries()) == sorted(names)
        assert reader.metadata() == {}


def test_a_header_in_another_order_than_the_data(tmp_path: Path) -> None:
    """The format does not ask for an order."""
    rows = (
        '{"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}, "a" : {"shape":[],"data_offsets":[0,1],"dtype":"U8"} }  '
    )
    path = by_hand(tmp_path / "s.safetensors", rows, b"\x01\x02\x03")
    with SafetensorsFormat().open(path) as reader:
        assert list(reader.entries()) == ["a", "b"]
        assert reader.read("a").tolist() == 1
        assert reader.read("b").tolist() == [2, 3]


def test_one_array_takes_the_memory_of_one(tmp_path: Path) -> None:
    safetensors.numpy.save_file({name: np.ones(2**20) for name in "abcd"}, tmp_path / "s.safetensors")
    tracemalloc.start()
    try:
        with SafetensorsFormat().open(tmp_path / "s.safetensors") as reader:
            for name in reader.entries():
                assert reader.read(name)[-1] == 1
        assert tracemalloc.get_traced_memory()[1] < 1.1 * 2**23
    finally:
        tracemalloc.stop()


def test_shards(tmp_path: Path) -> None:
    first, second = dict(list(STATE.items())[:2]), dict(list(STATE.items())[2:])
    index = sharded(tmp_path, {"model-1-of-2.safetensors": first, "model-2-of-2.safetensors": second})
    for path in (index, tmp_path):
        assert recognise(path) == "safetensors"
        with open_checkpoint(path) as reader:
            assert sorted(reader.entries()) == ["encoder/norm/count", "encoder/norm/weight", "head/bias"]
            assert all(same_bits(reader.read(name.replace(".", "/")), value) for name, value in STATE.items())
            assert reader.metadata() == {"total_size": "96", "format": "pt", SEPARATOR_NOTE: "."}
            with pytest.raises(Unsupported, match=r"keep no checksums, and model-1-of-2.safetensors is one"):
                reader.verify()


def test_a_folder_of_one_file(tmp_path: Path) -> None:
    """As the libraries of Hugging Face leave a model that needs no shards, between files of another kind."""
    (tmp_path / "config.json").write_text("{}")
    safetensors.numpy.save_file(STATE, tmp_path / "model.safetensors", {"format": "pt"})
    assert recognise(tmp_path) == "safetensors"
    with open_checkpoint(tmp_path) as reader:
        assert sorted(reader.entries()) == ["encoder/norm/count", "encoder/norm/weight", "head/bias"]
        assert same_bits(reader.read("encoder/norm/weight"), STATE["encoder.norm.weight"])
    save(tmp_path / "model.safetensors", STATE)
    assert recognise(tmp_path) == "constate"
    with open_checkpoint(tmp_path) as reader:
        assert list(reader.verify()) == []


def test_what_shards_say_differently_is_kept(tmp_path: Path) -> None:
    index = sharded(tmp_path, {"a.safetensors": {"a": np.zeros(1)}}, made_by=["me"])
    safetensors.numpy.save_file({"b": np.zeros(1)}, tmp_path / "b.safetensors", {"format": "np"})
    found = json.loads(index.read_text())
    found["weight_map"]["b"] = "b.safetensors"
    index.write_text(json.dumps(found))
    with SafetensorsFormat().open(index) as reader:
        assert reader.metadata() == {
            "total_size": "96", "made_by": "['me']", "a.safetensors: format": "pt", "b.safetensors: format": "np",
        }  # fmt: skip


def test_names_of_shards_are_judged_together(tmp_path: Path) -> None:
    index = sharded(tmp_path, {"a.safetensors": {"x.y": np.zeros(1)}, "b.safetensors": {"x/z": np.zeros(1)}})
    with SafetensorsFormat().open(index) as reader:
        assert sorted(reader.entries()) == ["x.y", "x/z"]


def test_a_container_is_verified(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save(path, STATE, {"who": "me"})
    assert recognise(path) == "constate"
    with open_checkpoint(path) as reader:
        assert sorted(reader.entries()) == sorted(STATE), "in a container names stand as they are"
        assert reader.metadata() == {"who": "me"}
        assert list(reader.verify()) == []
    raw = bytearray(path.read_bytes())
    raw[raw.index(np.float32(5).tobytes())] ^= 1
    path.write_bytes(raw)
    for format in (ConstateFormat(), SafetensorsFormat()):
        with format.open(path) as reader:
            ((name, how),) = reader.verify()
            assert (name, how) == ("encoder.norm.weight", "the data does not match its checksum; the file is damaged")
            assert reader.read("encoder.norm.count") == 7
            with pytest.raises(CheckpointError, match=r"encoder\.norm\.weight: the data does not match"):
                reader.read("encoder.norm.weight")


def test_shards_with_checksums_are_verified(tmp_path: Path) -> None:
    for shard, name in (("model-1.safetensors", "a.b"), ("model-2.safetensors", "c")):
        save(tmp_path / shard, {name: np.array([5], np.float32)})
    homes = {"a.b": "model-1.safetensors", "c": "model-2.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": homes}))
    assert recognise(tmp_path) == "constate"
    with open_checkpoint(tmp_path) as reader:
        assert reader.entries().keys() == homes.keys()
        assert list(reader.verify()) == []
    raw = (tmp_path / "model-2.safetensors").read_bytes()
    (tmp_path / "model-2.safetensors").write_bytes(raw[:-1] + b"\0")
    with open_checkpoint(tmp_path) as reader:
        assert [name for name, _ in reader.verify()] == ["c"]


def test_every_flipped_bit_of_a_container_is_found(tmp_path: Path) -> None:
    """Also by the reader of any safetensors file, which finds out by itself that there are checksums."""
    path = tmp_path / "c.safetensors"
    save(path, {"a": np.arange(3, dtype=np.int16)})
    raw = path.read_bytes()
    for position in range(len(raw)):
        damaged = bytearray(raw)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            with SafetensorsFormat().open(path) as reader:
                found = list(reader.verify())
        except CheckpointError as error:
            found = [("", str(error))]
        assert found, position


def test_a_plain_file_is_no_container(tmp_path: Path) -> None:
    safetensors.numpy.save_file(STATE, tmp_path / "s.safetensors")
    with pytest.raises(CheckpointError, match="has no constate checksums"):
        ConstateFormat().open(tmp_path / "s.safetensors")
    with (
        SafetensorsFormat().open(tmp_path / "s.safetensors") as reader,
        pytest.raises(Unsupported, match="no checksums"),
    ):
        reader.verify()


def test_written_containers_are_those_of_save(tmp_path: Path) -> None:
    """The same bytes, in whatever order entries come and however strided they are."""
    state = {**STATE, "strided": np.arange(12.0).reshape(3, 4)[:, ::2], "z": np.array(True)}
    save(tmp_path / "saved", {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in state.items()}, {"k": "v"})
    forms = {name: Form(array.shape, str(array.dtype)) for name, array in state.items()}
    assert ConstateFormat().write_with(tmp_path / "written", forms, iter(state.items()), {"k": "v"}) == {}
    assert (tmp_path / "written").read_bytes() == (tmp_path / "saved").read_bytes()


def test_written_plain_files_are_read_by_the_library(tmp_path: Path) -> None:
    state = {name.replace(".", "/"): value for name, value in STATE.items()} | {"t": np.arange(6.0).reshape(2, 3).T}
    forms = {name: Form(array.shape, str(array.dtype)) for name, array in state.items()}
    path, said = tmp_path / "s.safetensors", {"who": "me", "constate.kinds": "x", SEPARATOR_NOTE: "."}
    assert SafetensorsFormat().write_with(path, forms, iter(state.items()), said) == {"constate.kinds": "x"}
    found = safetensors.numpy.load_file(path)
    assert found.keys() == {*STATE, "t"}
    assert all(same_bits(found[name.replace("/", ".")], np.array(value, order="C")) for name, value in state.items())
    with safetensors.safe_open(path, "np") as opened:
        assert opened.metadata() == {"who": "me"}


@pytest.mark.parametrize(
    ("forms", "said"),
    [
        ({"x": Form((1,), "complex128")}, "x: dtype complex128 cannot be stored"),
        ({"x": Form((1,), "string")}, "x: dtype string cannot be stored"),
        ({"__metadata__": Form((1,), "float32")}, "an entry of this name cannot be stored"),
        ({"\ud800": Form((1,), "float32")}, "an entry of this name cannot be stored"),
        ({"a/b": Form((1,), "int8"), "a.b": Form((1,), "int8")}, "a.b and a/b would both be named a.b"),
        ({"x": Form((2,), "float32")}, r"x: found float32\[1\], expected float32\[2\]"),
        ({"y": Form((1,), "float32")}, "x: found .*, expected no such entry"),
        ({"x": Form((1,), "float32"), "y": Form((1,), "int8")}, "y: the source did not give it"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path, forms: dict[str, Form], said: str) -> None:
    path = tmp_path / "s.safetensors"
    path.write_text("old")
    with pytest.raises(CheckpointError, match=said):
        SafetensorsFormat().write_with(path, forms, [("x", np.zeros(1, np.float32))], {SEPARATOR_NOTE: "."})
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("s.safetensors", "old")]


def test_a_header_that_no_reader_takes_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("constate.checkpoint.formats.safetensors_writing.HEADER_LIMIT", 200)
    for format in (SafetensorsFormat(), ConstateFormat()):
        with pytest.raises(CheckpointError, match="expected at most 200: there are too many entries"):
            format.write_with(
                tmp_path / "s", {"x": Form((1,), "int8")}, [("x", np.zeros(1, np.int8))], {"k": "v" * 200}
            )
    assert not list(tmp_path.iterdir())
