"""Files of Keras, read without it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, Format, open_checkpoint
from constate.errors import Unsupported
from constate.state import Array, same_bits
from constate_keras.formats.archive import Keras
from constate_keras.formats.weights import KerasWeights

DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
          "uint32", "uint16", "uint8", "bool", "complex64")  # fmt: skip


@keras.saving.register_keras_serializable("constate")
class Carrier(keras.layers.Layer):  # type: ignore[misc]
    """One weight of every dtype, a scalar, an empty one, and one under a key of its own."""

    def build(self, shape: object) -> None:
        for dtype in DTYPES:
            self.add_weight(shape=(2, 2), dtype=dtype, initializer="zeros", trainable=False, name=dtype)
        self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="scalar")
        self.add_weight(shape=(0, 3), initializer="zeros", trainable=False, name="empty")
        super().build(shape)

    def call(self, inputs: object) -> object:
        return inputs

    def save_own_variables(self, store: dict[str, Array]) -> None:
        super().save_own_variables(store)
        store["table"] = np.array([1.5, -2.5])

    def load_own_variables(self, store: dict[str, Array]) -> None:
        assert store["table"].tolist() == [1.5, -2.5]
        for number, weight in enumerate(self.weights):
            weight.assign(store[str(number)])


def value(dtype: str) -> Array:
    """Four numbers that every dtype has."""
    kind = getattr(ml_dtypes, dtype, dtype)
    return np.array([[1, 0], [1, 1]] if dtype == "bool" else [[1, 2], [3, 100]]).astype(kind)


def model() -> keras.Model:
    """Layers of Keras and one of our own, with the state of an optimizer."""
    made = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, name="first"), keras.layers.BatchNormalization(), Carrier()]
    )
    for weight, dtype in zip(made.layers[-1].weights, DTYPES, strict=False):
        weight.assign(value(dtype))
    made.layers[0].set_weights([np.arange(6, dtype=np.float32).reshape(3, 2), np.array([7, 8], np.float32)])
    made.compile("adam")
    made.optimizer.build(made.trainable_variables)
    return made


def check(format: Format, path: Path) -> None:
    """That a file has exactly what the model had."""
    expected = {f"layers/carrier/vars/{number}": value(dtype) for number, dtype in enumerate(DTYPES)}
    expected |= {
        f"layers/carrier/vars/{len(DTYPES)}": np.array(0, np.int32),
        f"layers/carrier/vars/{len(DTYPES) + 1}": np.zeros((0, 3), np.float32),
        "layers/carrier/vars/table": np.array([1.5, -2.5]),
        "layers/dense/vars/0": np.arange(6, dtype=np.float32).reshape(3, 2),
        "layers/dense/vars/1": np.array([7, 8], np.float32),
        "layers/batch_normalization/vars/3": np.ones(2, np.float32),
        "optimizer/vars/1": np.array(0.001, np.float32),
    }
    with format.open(path) as reader:
        entries = reader.entries()
        for name, array in expected.items():
            assert entries[name] == Form(array.shape, str(array.dtype)), name
            found = reader.read(name)
            assert same_bits(found, array), name
            found[...] = 0  # memory of its own
        assert sum(name.startswith("layers/") for name in entries) == len(DTYPES) + 2 + 1 + 2 + 4
        assert "layers/dense/vars@name" in reader.metadata()
        with pytest.raises(CheckpointError, match="layers/none: there is no such entry"):
            reader.read("layers/none")


def test_weights(tmp_path: Path) -> None:
    model().save_weights(tmp_path / "m.weights.h5")
    check(KerasWeights(), tmp_path / "m.weights.h5")


def test_a_whole_model(tmp_path: Path) -> None:
    model().save(tmp_path / "m.keras")
    check(Keras(), tmp_path / "m.keras")
    with Keras().open(tmp_path / "m.keras") as reader:
        said = reader.metadata()
        assert keras.__version__ in said["metadata.json"]
        assert '"class_name": "Sequential"' in said["config.json"]
        assert len(said["config.json"]) == 200


@pytest.mark.parametrize("name", ["m.weights.h5", "m.keras"])
def test_the_file_is_found_by_what_lies_there(tmp_path: Path, name: str) -> None:
    made = model()
    (made.save if name == "m.keras" else made.save_weights)(tmp_path / name)
    with open_checkpoint(tmp_path / name) as reader:
        assert same_bits(reader.read("layers/dense/vars/1"), np.array([7, 8], np.float32))


def test_keras_is_not_imported(tmp_path: Path) -> None:
    """Keras takes seconds to import, and chooses its backend then."""
    made = model()
    made.save(tmp_path / "m.keras")
    made.save_weights(tmp_path / "m.weights.h5")
    program = """
import sys
from pathlib import Path
from constate_keras.formats.archive import Keras
from constate_keras.formats.weights import KerasWeights
for format, path in (Keras(), sys.argv[1]), (KerasWeights(), sys.argv[2]):
    with format.open(Path(path)) as reader:
        print(len([reader.read(name) for name in reader.entries()]))
print(sorted({"keras", "tensorflow", "jax", "torch"} & set(sys.modules)))
"""
    paths = [str(tmp_path / "m.keras"), str(tmp_path / "m.weights.h5")]
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True)
    with h5py.File(tmp_path / "m.weights.h5") as file:
        count: list[str] = []
        file.visititems(lambda name, item: count.append(name) if isinstance(item, h5py.Dataset) else None)
    assert done.stdout.split("\n") == [str(len(count)), str(len(count)), "[]", ""]


def test_a_changed_bit_of_a_whole_model_is_found(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    model().save(path)
    with Keras().open(path) as reader:
        assert list(reader.verify()) == []
    content = bytearray(path.read_bytes())
    kernel = np.arange(6, dtype=np.float32).tobytes()
    content[content.index(kernel) + 9] ^= 16
    path.write_bytes(content)
    with Keras().open(path) as reader:
        assert list(reader.verify()) == [("", "the bytes of model.weights.h5 do not match their CRC-32")]


def test_weights_alone_have_no_checksum(tmp_path: Path) -> None:
    model().save_weights(tmp_path / "m.weights.h5")
    with KerasWeights().open(tmp_path / "m.weights.h5") as reader, pytest.raises(Unsupported, match="no checksum"):
        list(reader.verify())


def test_whole_models_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="keras checkpoints are read and not written"):
        Keras().write(tmp_path / "m.keras", {}, ())


def test_a_whole_model_in_pieces_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.json", "{}")
    with pytest.raises(CheckpointError, match=r"has no model\.weights\.h5; found config\.json, model\.weights\.json"):
        Keras().open(tmp_path / "m.keras")
