"""Files that model.load_weights reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate.state import Array
from constate_keras.formats.weights import KerasWeights


def written(path: Path, arrays: Mapping[str, Array]) -> Path:
    """Arrays in a file."""
    forms = {name: Form(array.shape, str(array.dtype)) for name, array in arrays.items()}
    KerasWeights().write(path, forms, arrays.items())
    return path


def model() -> keras.Model:
    """Layers within a layer, one of them in bfloat16."""
    inner = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()], name="inner")
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), inner, keras.layers.Dense(2, dtype="bfloat16")])


def test_a_model_loads_what_is_written(tmp_path: Path) -> None:
    made = model()
    made.save_weights(tmp_path / "names.weights.h5")
    with KerasWeights().open(tmp_path / "names.weights.h5") as reader:
        forms = dict(reader.entries())
    assert "layers/sequential/layers/batch_normalization/vars/2" in forms
    numbers = iter(range(1000))

    def filled(form: Form) -> Array:
        values = np.array([next(numbers) for _ in range(form.size)]).reshape(form.shape)
        return values.astype(getattr(ml_dtypes, form.dtype, form.dtype))

    arrays = {name: filled(form) for name, form in forms.items()}
    made.load_weights(written(tmp_path / "m.weights.h5", arrays))
    expected = {
        **{f"layers/dense/vars/{n}": w for n, w in enumerate(made.layers[0].weights)},
        **{
            f"layers/sequential/layers/batch_normalization/vars/{n}": w
            for n, w in enumerate(made.layers[1].layers[0].weights)
        },
        **{f"layers/dense_1/vars/{n}": w for n, w in enumerate(made.layers[2].weights)},
    }
    assert expected.keys() == arrays.keys()
    for name, weight in expected.items():
        found = keras.ops.convert_to_numpy(weight)
        assert str(found.dtype) == forms[name].dtype
        assert found.tobytes() == arrays[name].tobytes(), name


def test_strided_arrays(tmp_path: Path) -> None:
    layer = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3).T
    layer.load_weights(written(tmp_path / "m.weights.h5", {"layers/dense/vars/0": kernel}))
    assert layer.get_weights()[0].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = written(tmp_path / "m.weights.h5", {"vars/0": np.ones(2)})
    before = path.read_bytes()

    def arrays() -> Iterator[tuple[str, Array]]:
        yield "vars/0", np.zeros(2)
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="the source is gone"):
        KerasWeights().write(path, {"vars/0": Form((2,), "float64"), "vars/1": Form((), "int8")}, arrays())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("forms", "said"),
    [
        ({"layers/a/kernel": Form((), "int8")}, "layers/a/kernel: Keras would not find a variable of this name"),
        ({"0": Form((), "int8")}, "0: Keras would not find a variable of this name; expected one such as layers/dense"),
        ({"layers/../vars/0": Form((), "int8")}, "Keras would not find a variable of this name"),
        ({"vars//0": Form((), "int8")}, "Keras would not find a variable of this name"),
        ({"a/vars/0": Form((), "float8_e5m2")}, "a/vars/0: dtype float8_e5m2 cannot be stored; expected one of"),
        ({"vars/a": Form((), "int8"), "vars/a/vars/0": Form((), "int8")}, "vars/a: cannot be an array, because there"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, forms: dict[str, Form], said: str) -> None:
    with pytest.raises(CheckpointError) as error:
        KerasWeights().write(tmp_path / "m.weights.h5", forms, ())
    assert said in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot write .*No such file or directory"):
        written(tmp_path / "none" / "m.weights.h5", {"vars/0": np.ones(2)})
