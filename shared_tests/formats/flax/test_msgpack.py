"""Files of flax.serialization, read an array at a time and written with places given beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_dtypes
import msgpack
import numpy as np
import optax
import pytest
from flax import serialization
from flax.training.train_state import TrainState

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, open_checkpoint
from constate.checkpoint.formats.recognising import recognise
from constate.errors import Unsupported
from constate.state import Array, same_bits
from constate_flax.formats.msgpack import Msgpack
from formats.flax import samples


def saved(tmp_path: Path, tree: Any) -> Path:
    """A file that Flax wrote."""
    path = tmp_path / "m.msgpack"
    path.write_bytes(serialization.to_bytes(tree))
    return path


def everything(path: Path) -> dict[str, Array]:
    """All entries of a file, in memory of their own."""
    with Msgpack().open(path) as reader:
        found = {name: reader.read(name) for name in reader.entries()}
        assert {name: Form(array.shape, str(array.dtype)) for name, array in found.items()} == reader.entries()
    return found


def write(path: Path, arrays: dict[str, Array]) -> None:
    """Write by hand, in the order of the mapping."""
    forms = {name: Form(array.shape, str(array.dtype)) for name, array in arrays.items()}
    Msgpack().write(path, forms, iter(arrays.items()))


@pytest.mark.parametrize("dtype", samples.DTYPES)
def test_every_dtype_bit_for_bit(tmp_path: Path, dtype: type) -> None:
    array = samples.array(dtype)
    (found,) = everything(saved(tmp_path, {"a": array})).values()
    assert same_bits(found, array)
    write(tmp_path / "new", {"a": array})
    assert same_bits(serialization.msgpack_restore((tmp_path / "new").read_bytes())["a"], array)


def test_shapes_strides_and_scalars(tmp_path: Path) -> None:
    expected = {
        "scalar": np.array(-5),
        "empty": np.zeros((0, 3), np.float32),
        "mask": np.array([True, False, True]),
        "turned": samples.strided(),
        "numpy": np.array(2.5, np.float32),
        "device": np.array([1, 2], ml_dtypes.bfloat16),
    }
    tree = {**expected, "numpy": np.float32(2.5), "device": jnp.array([1, 2], jnp.bfloat16)}
    found = everything(saved(tmp_path, tree))
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert same_bits(found[name], array), name
        found[name][...] = 0  # memory of its own


def test_a_training_state(tmp_path: Path) -> None:
    module = nn.Dense(3)
    params = module.init(jax.random.key(0), jnp.ones((1, 2)))
    state = TrainState.create(apply_fn=module.apply, params=params, tx=optax.adam(0.125))
    path = saved(tmp_path, state)
    with Msgpack().open(path) as reader:
        for name in ("kernel", "bias"):
            assert same_bits(reader.read(f"params/params/{name}"), np.asarray(params["params"][name]))
        assert reader.entries()["opt_state/0/mu/params/kernel"] == Form((2, 3), "float32")
        assert reader.metadata() == {"step": "0", "opt_state/1": "{}"}


def test_what_is_no_array_is_text(tmp_path: Path) -> None:
    tree = {
        "a": np.ones(2),
        "note": "é" * 500,
        "raw": b"\x00\xff",
        "yes": True,
        "nothing": None,
        "minus": -7,
        "large": 2**40,
        "rate": 0.125,
        "complex": 1.5 - 2j,
        "list": [1, np.ones(1), "x"],
        "void": {},
        3: 4,
        "other": msgpack.ExtType(5, b"x"),
    }
    path = tmp_path / "m.msgpack"
    path.write_bytes(serialization.msgpack_serialize(tree, in_place=True))
    with Msgpack().open(path) as reader:
        assert dict(reader.metadata()) == {
            "note": "é" * 200, "raw": "b'\\x00\\xff'", "yes": "True", "nothing": "None", "minus": "-7",
            "large": "1099511627776", "rate": "0.125", "complex": "(1.5-2j)", "list/0": "1", "list/2": "x",
            "void": "{}", "3": "4", "other": "extension 5: b'x'",
        }  # fmt: skip
        assert list(reader.entries()) == ["a", "list/1"]


@pytest.mark.parametrize(("limit", "broken"), [(16, 2), (40, 1), (48, 0)])
def test_chunked_arrays_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, broken: int) -> None:
    arrays = {"a": samples.array(np.float32), "b": samples.array(ml_dtypes.bfloat16), "c": np.arange(3, dtype=np.int8)}
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", limit)
    path = saved(tmp_path, {"in": dict(arrays), "after": np.array(1)})
    assert path.read_bytes().count(b"__msgpack_chunked_array__") == broken
    found = everything(path)
    assert list(found) == ["in/a", "in/b", "in/c", "after"]
    assert all(same_bits(found[f"in/{name}"], array) for name, array in arrays.items())
    write(tmp_path / "new", {**{f"in/{name}": array for name, array in arrays.items()}, "after": np.array(1)})
    assert (tmp_path / "new").read_bytes() == path.read_bytes()


def test_what_is_written_is_what_flax_writes(tmp_path: Path) -> None:
    long = "n" * 40
    tree = {
        "b": {"x": {"kernel": samples.strided(), "bias": np.array(3, np.int8)}, long: np.zeros((0, 2))},
        "a": np.ones((5, 60)),
        "é": np.zeros(70_000, np.uint8),
        "two": {str(number): np.full(number, 1, np.uint8) for number in range(300)},
    }
    arrays = {
        "b/x/kernel": tree["b"]["x"]["kernel"],
        "a": tree["a"],  # levels need not come together
        "b/x/bias": tree["b"]["x"]["bias"],
        f"b/{long}": tree["b"][long],
        "é": tree["é"],
        **{f"two/{number}": array for number, array in tree["two"].items()},
    }
    write(tmp_path / "m.msgpack", arrays)
    assert (tmp_path / "m.msgpack").read_bytes() == serialization.to_bytes(tree)


def test_a_module_takes_what_is_written(tmp_path: Path) -> None:
    module = nn.Dense(3)
    variables = module.init(jax.random.key(0), jnp.ones((1, 2)))
    arrays = {"params/bias": np.arange(3, dtype=np.float32), "params/kernel": np.ones((2, 3), np.float32)}
    write(tmp_path / "m", arrays)
    restored = serialization.from_bytes(variables, (tmp_path / "m").read_bytes())
    assert module.apply(restored, jnp.ones((1, 2))).tolist() == [[2, 3, 4]]


def test_nothing_is_left_of_a_refused_write(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"before")
    refused: list[tuple[dict[str, Form], dict[str, Array], str]] = [
        ({"a": Form((2,), "datetime64[s]")}, {}, "a: dtype datetime64"),
        ({"a": Form((2,), "int8"), "a/b": Form((2,), "int8")}, {}, "a/b: a is an entry and holds entries"),
        ({"a/b": Form((2,), "int8"), "a": Form((2,), "int8")}, {}, "a: is an entry and holds entries"),
        ({"a": Form((2,), "int8")}, {"a": np.ones(3, np.int8)}, "a: found int8[3]"),
        ({"a": Form((2,), "int8")}, {"b": np.ones(2, np.int8)}, "b: found int8[2], expected None"),
        ({"a": Form((2,), "int8")}, {}, "a: the source did not give it"),
    ]
    for forms, arrays, said in refused:
        with pytest.raises(CheckpointError) as error:
            Msgpack().write(path, forms, iter(arrays.items()))
        assert said in str(error.value)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("m", b"before")]


def test_it_is_found_and_says_that_it_has_no_checksums(tmp_path: Path) -> None:
    path = saved(tmp_path, {"a": np.ones(2, np.float32)})
    assert recognise(path) == "msgpack"
    with open_checkpoint(path) as reader:
        assert reader.entries() == {"a": Form((2,), "float32")}
        with pytest.raises(CheckpointError, match="b: there is no such entry"):
            reader.read("b")
        with pytest.raises(Unsupported, match="keep no checksum"):
            list(reader.verify())


def test_an_empty_tree(tmp_path: Path) -> None:
    assert everything(saved(tmp_path, {})) == {}
