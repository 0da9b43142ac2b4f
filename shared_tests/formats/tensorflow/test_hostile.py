"""Files that lie: each is refused in one line, and ends no process."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Reader
from constate_tensorflow.formats.checkpoint import SavedModel, TensorFlow
from formats.tensorflow import samples
from formats.tensorflow.samples import entry, header, number

GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"


def everything(reader: Reader) -> None:
    """Read all that there is."""
    with reader:
        for name in reader.entries():
            reader.read(name)
        reader.metadata()


def refused(path: Path) -> str:
    """What opening and reading all says; no more memory is taken than a little."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError) as error:
        everything(TensorFlow().open(path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # in KiB
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 1000
    return said


def texts(*lengths: int, content: bytes) -> bytes:
    """Texts as they stand in the data, without a checksum that fits."""
    return b"".join(map(number, lengths)) + b"\0\0\0\0" + content


def graph(key: str) -> bytes:
    """An object graph of one variable."""
    made = trackable_object_graph_pb2.TrackableObjectGraph()
    made.nodes.add().attributes.add(name="VARIABLE_VALUE", checkpoint_key=key)
    return bytes(made.SerializeToString())


DATA = bytes(range(64))
NEGATIVE = -1
ROWS: dict[str, tuple[dict[bytes, bytes], str]] = {
    "a shape of 2**40": ({b"a": entry(tf.int8, [2**40], 64)}, "expected 1099511627776"),
    "a shape of 2**80": ({b"a": entry(tf.int8, [2**40, 2**40], 64)}, "there can be no array"),
    "an empty shape of 2**63": ({b"a": entry(tf.int8, [2**62, 4, 0], 0)}, "there can be no array"),
    "a size below zero": ({b"a": entry(tf.int8, [-5], 0)}, "there can be no array"),
    "an unknown size": ({b"a": entry(tf.int8, [-1], 0)}, "there can be no array"),
    "300 dimensions": ({b"a": entry(tf.int8, [1] * 300, 1)}, "there can be no array"),
    "beyond the end": ({b"a": entry(tf.int8, [64], 64, offset=1)}, "ends at 65"),
    "far beyond the end": ({b"a": entry(tf.int8, [64], 64, offset=2**62)}, "which has 64 bytes"),
    "before the begin": ({b"a": entry(tf.int8, [64], 64, offset=-64)}, "ends at 0"),
    "fewer bytes than its shape": ({b"a": entry(tf.float32, [64], 64)}, "has 64 bytes, expected 256"),
    "no bytes": ({b"a": entry(tf.float32, [4], NEGATIVE)}, "which has 64 bytes"),
    "another file": ({b"a": entry(tf.int8, [64], 64, shard_id=7)}, "is in the file 7, expected one of 1"),
    "a file below zero": ({b"a": entry(tf.int8, [64], 64, shard_id=-1)}, "is in the file -1"),
    "a wrong checksum": ({b"a": entry(tf.int8, [64], 64)}, "a: cannot be read"),
    "a dtype that is none": ({b"a": entry(tf.int8, [64], 64)[2:] + b"\x08\xe7\x07"}, "cannot be read"),
    "no tensor": ({b"a": b"\xff\xff\xff"}, "bytes that cannot be"),
    "texts without end": ({b"a": entry(tf.string, [2**40], 64)}, "expected at least one for each"),
    "an empty name": ({b"/": entry(tf.int8, [64], 64)}, "which is empty"),
    "no checkpoint in it": ({b"a": entry(tf.int8, [64], 64), b"b": b"\x0a"}, "bytes that cannot be"),
}  # fmt: skip


@pytest.mark.parametrize("what", ROWS)
def test_rows_of_an_index(tmp_path: Path, what: str) -> None:
    rows, said = ROWS[what]
    (tmp_path / "c.data-00000-of-00001").write_bytes(DATA)
    samples.write_index(tmp_path / "c", {b"": header(), **rows})
    assert said in refused(tmp_path / "c")


def test_an_index_made_by_hand_is_read(tmp_path: Path) -> None:
    """So that the others are refused for what they say, and not for how they are made."""
    (tmp_path / "c.data-00000-of-00001").write_bytes(DATA)
    row = entry(tf.int8, [64], 64, samples.checksum(DATA, tmp_path))
    samples.write_index(tmp_path / "c", {b"": header(), b"a": row})
    with TensorFlow().open(tmp_path / "c") as reader:
        assert reader.read("a").tobytes() == DATA
        assert list(reader.verify()) == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (texts(2**50, content=b"x" * 9), "the texts take 1125899906842624 bytes"),
        (texts(2**63, content=b""), "the texts take"),
        (b"\xff" * 20, "truncated within a number"),
        (texts(9, content=b"x" * 9), "cannot be read"),
    ],
)
def test_texts_that_are_longer_than_they_are(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "c.data-00000-of-00001").write_bytes(raw)
    for key in (b"a", GRAPH):
        samples.write_index(tmp_path / "c", {b"": header(), key: entry(tf.string, [], len(raw))})
        assert said in refused(tmp_path / "c")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xff\xff\xff", "cannot be read"),
        (graph("a/.ATTRIBUTES/VARIABLE_VALUE"), "would be named 'a'"),
        (b"\x0a\x80\x80\x80\x80\x0f", "cannot be read"),
    ],
)
def test_graphs_that_cannot_be(tmp_path: Path, content: bytes, said: str) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "c"), tensor_names=[GRAPH.decode(), "a", "a/.ATTRIBUTES/VARIABLE_VALUE"],
        shape_and_slices=[""] * 3, tensors=[tf.constant(content), tf.ones(2), tf.ones(3)],
    )  # fmt: skip
    assert said in refused(tmp_path / "c")


def whole(folder: Path) -> Path:
    """A prefix of TensorFlow's own, and the folder's note of it."""
    return Path(tf.train.Checkpoint(a=tf.Variable(np.arange(4.0)), b=tf.Variable("x")).save(folder / "ckpt"))


INDEX_CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda raw: b"", "truncated"),
    "cut short": (lambda raw: raw[:-1], "truncated"),
    "only its end": (lambda raw: raw[-48:], "leads to"),
    "a place beyond it": (lambda raw: raw[:-48] + b"\xff" * 40 + raw[-8:], "truncated within a number"),
    "compressed": (lambda raw: raw[: len(raw) - 48 - 5] + b"\1" + raw[len(raw) - 48 - 4 :], "compressed"),
}


@pytest.mark.parametrize("what", INDEX_CHANGES)
def test_an_index_that_cannot_be(tmp_path: Path, what: str) -> None:
    prefix = whole(tmp_path)
    path = Path(f"{prefix}.index")
    change, said = INDEX_CHANGES[what]
    path.write_bytes(change(path.read_bytes()))
    assert said in refused(prefix)


def test_an_index_at_itself(tmp_path: Path) -> None:
    """A million times the same block would be a million times its names."""
    (tmp_path / "c.data-00000-of-00001").write_bytes(DATA)
    path = tmp_path / "c.index"
    samples.write_index(tmp_path / "c", {b"": header(), b"a": entry(tf.int8, [64], 64)})
    raw = path.read_bytes()
    first = raw.index(b"\0\0\0\0\1\0\0\0\0") + 8  # the end of the block of rows
    statistics = number(len(raw) - 48)
    loop = samples.block({bytes([letter]): number(0) + number(first) for letter in range(97, 123)})
    data = raw[:-48] + loop + b"\0" + samples.checksum(loop + b"\0", tmp_path)
    footer = (statistics + number(0) + number(len(raw) - 48) + number(len(loop))).ljust(40, b"\0")
    path.write_bytes(data + footer + raw[-8:])
    assert "expected rising names" in refused(tmp_path / "c")


def test_no_flipped_bit_is_unseen(tmp_path: Path) -> None:
    prefix = whole(tmp_path)
    with TensorFlow().open(prefix) as reader:
        before = {name: reader.read(name).tobytes() for name in reader.entries()} | dict(reader.metadata())
    data, index = Path(f"{prefix}.data-00000-of-00001"), Path(f"{prefix}.index")
    raw = data.read_bytes()
    for place in range(0, len(raw)):
        data.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << place % 8]) + raw[place + 1 :])
        try:
            with TensorFlow().open(prefix) as reader:
                assert list(reader.verify())
        except CheckpointError:
            continue  # the object graph is read when it is opened
    data.write_bytes(raw)
    raw, refusals = index.read_bytes(), 0
    for place in range(len(raw)):
        index.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << place % 8]) + raw[place + 1 :])
        try:
            with TensorFlow().open(prefix) as reader:
                assert list(reader.verify()) == []
                now = {name: reader.read(name).tobytes() for name in reader.entries()} | dict(reader.metadata())
            assert now == before  # a byte that nothing depends on
        except CheckpointError:
            refusals += 1
    assert refusals > 0.8 * len(raw)


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    prefix = whole(tmp_path)
    path = Path(f"{prefix}.data-00000-of-00001")
    raw = path.read_bytes()
    place = raw.index(np.arange(4.0).tobytes())
    path.write_bytes(raw[:place] + b"\1" + raw[place + 1 :])
    with TensorFlow().open(prefix) as reader:
        ((name, said),) = reader.verify()
    assert name == "a"
    assert "Checksum does not match" in said


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ('model_checkpoint_path: "../other/ckpt-1"', "expected a checkpoint in its own folder"),
        ('model_checkpoint_path: "/etc/passwd"', "expected a checkpoint in its own folder"),
        ('model_checkpoint_path: "link/ckpt-1"', "expected a checkpoint in its own folder"),
        ('model_checkpoint_path: "checkpoint"', "cannot read"),
        ('model_checkpoint_path: "."', "in its own folder"),
        ('model_checkpoint_path: ""', "names no checkpoint"),
        ("model_checkpoint_path: {" * 1000, "cannot be read"),
        ("\x00\xff", "cannot be read"),
        ("", "names no checkpoint"),
    ],
)
def test_a_folder_that_names_another_place(tmp_path: Path, state: str, said: str) -> None:
    whole(tmp_path / "other")
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "other")
    (folder / "checkpoint").write_bytes(state.encode("latin-1"))
    assert said in refused(folder)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    prefix = whole(tmp_path)
    Path(f"{prefix}.data-00000-of-00001").unlink()
    assert "cannot read" in refused(prefix)
    assert "cannot read" in refused(tmp_path / "none")
    with pytest.raises(CheckpointError, match="expected the folder of a SavedModel"):
        SavedModel().open(tmp_path)
