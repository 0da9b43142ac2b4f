"""Checkpoints of tf.train.Checkpoint and variables of SavedModels, read by name and written to be restored."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, Reader, open_checkpoint
from constate.checkpoint.formats.recognising import recognise
from constate.errors import Unsupported
from constate.state import Array, same_bits
from constate_tensorflow.formats import writing
from constate_tensorflow.formats.checkpoint import SavedModel, TensorFlow
from formats.tensorflow import samples


class Layer(tf.Module):
    """Variables in attributes, lists and dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.reshape(tf.range(6.0), (2, 3)))
        self.parts = [tf.Variable(tf.constant([1, 2], tf.bfloat16)), tf.Variable(True)]
        self.named = {"a/b.c": tf.Variable([1 + 2j], dtype=tf.complex64), ".OPTIMIZER_SLOT": tf.Variable(2)}

    @tf.function(input_signature=[tf.TensorSpec((1, 2))])
    def __call__(self, x: Any) -> Any:
        return x @ self.kernel


EXPECTED = {
    "layer/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "layer/parts/0": np.array([1, 2], ml_dtypes.bfloat16),
    "layer/parts/1": np.array(True),
    "layer/named/a/b.c": np.array([1 + 2j], np.complex64),
    "layer/named/.OPTIMIZER_SLOT": np.array(2, np.int32),
}


def everything(reader: Reader) -> dict[str, Array]:
    """All entries, in memory of their own."""
    with reader:
        found = {name: reader.read(name) for name in reader.entries()}
        assert {name: Form(array.shape, str(array.dtype)) for name, array in found.items()} == reader.entries()
        assert list(reader.verify()) == []
        for name, array in found.items():
            again = reader.read(name)
            again[...] = 0
            assert same_bits(reader.read(name), array)
    return found


def same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    """Every entry, bit for bit."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert same_bits(found[name], array), name


def write(path: Path, arrays: dict[str, Array]) -> None:
    """Write by hand, in the order of the mapping."""
    forms = {name: Form(array.shape, str(array.dtype)) for name, array in arrays.items()}
    TensorFlow().write(path, forms, iter(arrays.items()))


def tree(arrays: dict[str, Array]) -> dict[str, Any]:
    """Nested dictionaries of variables that are zero."""
    root: dict[str, Any] = {}
    for name, array in arrays.items():
        *levels, last = name.split("/")
        level = root
        for key in levels:
            level = level.setdefault(key, {})
        level[last] = tf.Variable(tf.zeros(array.shape, tf.as_dtype(array.dtype)))
    return root


@pytest.mark.parametrize("dtype", samples.DTYPES)
def test_every_dtype_both_ways(tmp_path: Path, dtype: type) -> None:
    array = samples.array(dtype)
    theirs = tf.train.Checkpoint(a=tf.Variable(tf.constant(array))).save(tmp_path / "theirs")
    same(everything(TensorFlow().open(Path(theirs))), {"a": array})
    write(tmp_path / "ours", {"a": array})
    variable = tf.Variable(tf.constant(np.zeros_like(array)))
    tf.train.Checkpoint(a=variable).restore(str(tmp_path / "ours")).assert_consumed()
    assert same_bits(variable.numpy(), array)


@pytest.mark.parametrize("which", ["prefix", "index", "folder", "moved"])
def test_a_module_by_its_names(tmp_path: Path, which: str) -> None:
    checkpoint = tf.train.Checkpoint(layer=Layer(), note=tf.Variable("é"), notes=tf.Variable(["x", "y"]))
    checkpoint.save(tmp_path / "c" / "ckpt")
    prefix = checkpoint.save(tmp_path / "c" / "ckpt")
    if which == "moved":
        shutil.move(tmp_path / "c", tmp_path / "elsewhere")
    places = {"prefix": prefix, "index": f"{prefix}.index", "folder": tmp_path / "c", "moved": tmp_path / "elsewhere"}
    path = Path(places[which])
    assert recognise(path) == "tensorflow"
    same(everything(TensorFlow().open(path)), EXPECTED)
    with TensorFlow().open(path) as reader:
        texts = dict(reader.metadata())
    assert texts.pop("_CHECKPOINTABLE_OBJECT_GRAPH").startswith(("b'", 'b"'))
    assert texts == {
        "save_counter": "2",
        "note/.ATTRIBUTES/VARIABLE_VALUE": repr("é".encode()),
        "notes/.ATTRIBUTES/VARIABLE_VALUE": "[b'x', b'y']",
    }


def test_the_slots_of_an_optimizer(tmp_path: Path) -> None:
    kernel = tf.Variable([1.0, 2.0])
    optimizer = tf.keras.optimizers.Adam(0.125)
    optimizer.build([kernel])
    prefix = tf.train.Checkpoint(kernel=kernel, optimizer=optimizer).write(tmp_path / "c")
    with TensorFlow().open(Path(prefix)) as reader:
        assert same_bits(reader.read("optimizer/_learning_rate"), np.array(0.125, np.float32))
        assert reader.entries()["optimizer/_variables/2"] == Form((2,), "float32")
        assert same_bits(reader.read("kernel"), np.array([1, 2], np.float32))


def test_names_without_an_object_graph(tmp_path: Path) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "c"), tensor_names=["dense/kernel", "save_counter"], shape_and_slices=["", ""],
        tensors=[tf.ones((2, 0)), tf.constant(3)],
    )  # fmt: skip
    expected = {"dense/kernel": np.ones((2, 0), np.float32), "save_counter": np.array(3, np.int32)}
    same(everything(TensorFlow().open(tmp_path / "c")), expected)


def test_a_variable_in_parts(tmp_path: Path) -> None:
    whole = np.arange(12, dtype=np.float32).reshape(4, 3)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "c"), tensor_names=["v", "v"], shape_and_slices=["4 3 0,1:0,3", "4 3 1,3:0,3"],
        tensors=[tf.constant(whole[:1]), tf.constant(whole[1:])],
    )  # fmt: skip
    same(everything(TensorFlow().open(tmp_path / "c")), {"v": whole})


def test_a_saved_model(tmp_path: Path) -> None:
    tf.saved_model.save(Layer(), tmp_path / "m")
    assert recognise(tmp_path / "m") == "saved-model"
    (tmp_path / "m" / "saved_model.pb").write_bytes(b"no graph is loaded")
    found = everything(SavedModel().open(tmp_path / "m"))
    same(found, {name.removeprefix("layer/"): array for name, array in EXPECTED.items()})
    with pytest.raises(Unsupported, match="are read and not written"):
        SavedModel().write(tmp_path / "m", {}, [])


@pytest.mark.parametrize("together", [1, 40, 1 << 20])
def test_what_is_written_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int) -> None:
    monkeypatch.setattr(writing, "TOGETHER", together)
    arrays = {
        "layer/kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "step": np.array(7),
        "layer/deep/0": np.zeros((0, 3), np.int8),
        "layer/deep/a.b": np.array([True, False]),
    }
    for time in range(3):  # each in the place of the one before
        arrays["step"] = np.array(time)
        write(tmp_path / "c", arrays)
        root = tree(arrays)
        tf.train.Checkpoint(**root).restore(str(tmp_path / "c")).assert_consumed()
        assert same_bits(root["layer"]["kernel"].numpy(), arrays["layer/kernel"])
        assert same_bits(root["layer"]["deep"]["a.b"].numpy(), arrays["layer/deep/a.b"])
        assert root["step"].numpy() == time
        same(everything(TensorFlow().open(tmp_path / "c")), arrays)
        counts = {found.name.rpartition("-")[2] for found in tmp_path.glob("c.data-*")}
        assert len(counts) == 1
        assert len([*tmp_path.iterdir()]) == 1 + int(counts.pop())


def test_a_module_takes_what_is_written(tmp_path: Path) -> None:
    arrays = {name: array for name, array in EXPECTED.items() if name != "layer/named/a/b.c"}
    arrays["layer/named/x"] = np.array([1 + 2j], np.complex64)
    write(tmp_path / "c", arrays)
    layer = Layer()
    layer.named = {"x": tf.Variable([0j], dtype=tf.complex64), ".OPTIMIZER_SLOT": tf.Variable(0)}
    layer.kernel.assign(tf.zeros((2, 3)))
    tf.train.Checkpoint(layer=layer).restore(str(tmp_path / "c")).assert_consumed()
    assert layer(tf.ones((1, 2))).numpy().tolist() == [[3, 5, 7]]
    assert layer.named["x"].numpy().tolist() == [1 + 2j]


def test_nothing_is_left_of_a_refused_write(tmp_path: Path) -> None:
    refused: list[tuple[dict[str, Form], dict[str, Array], str]] = [
        ({"a": Form((2,), "float8_e4m3fnuz")}, {}, "a: dtype float8_e4m3fnuz cannot be stored"),
        ({"a": Form((2,), "int2")}, {}, "a: dtype int2 cannot be stored"),
        ({"a": Form((2,), "int8"), "a/b": Form((2,), "int8")}, {}, "a/b: a is an entry and holds entries"),
        ({"a/b": Form((2,), "int8"), "a": Form((2,), "int8")}, {}, "a/b: a is an entry and holds entries"),
        ({"a//b": Form((2,), "int8")}, {}, "an entry of this name cannot be stored"),
        ({"a": Form((2,), "int8")}, {"a": np.ones(3, np.int8)}, "a: found int8[3]"),
        ({"a": Form((2,), "int8")}, {}, "a: the source did not give it"),
    ]
    write(tmp_path / "c", {"a": np.ones(2)})
    before = {found.name: found.read_bytes() for found in tmp_path.iterdir()}
    for forms, arrays, said in refused:
        with pytest.raises(CheckpointError) as error:
            TensorFlow().write(tmp_path / "c", forms, iter(arrays.items()))
        assert said in str(error.value)
    with pytest.raises(CheckpointError, match="expected a prefix"):
        write(tmp_path, {"a": np.ones(2)})
    with pytest.raises(CheckpointError, match="cannot write"):
        write(tmp_path / "none" / "c", {"a": np.ones(2)})
    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == before


def test_it_is_found_by_what_lies_there(tmp_path: Path) -> None:
    tf.train.Checkpoint(a=tf.Variable(1.0)).save(tmp_path / "c" / "ckpt")
    with open_checkpoint(tmp_path / "c") as reader:
        assert reader.entries() == {"a": Form((), "float32")}
