"""Folders of Orbax, read an entry at a time on one device, and written for StandardCheckpointer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pytest

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, open_checkpoint
from constate.errors import Unsupported
from constate.state import Array, same_bits
from constate_flax.formats import orbax
from constate_flax.formats.orbax import Orbax
from formats.flax import samples


def saved(path: Path, tree: Any) -> Path:
    """A folder that Orbax wrote."""
    with ocp.StandardCheckpointer() as saver:
        saver.save(path, tree)
    return path


def everything(path: Path) -> dict[str, Array]:
    """All entries of a folder."""
    with Orbax().open(path) as reader:
        found = {name: reader.read(name) for name in reader.entries()}
        assert {name: Form(array.shape, str(array.dtype)) for name, array in found.items()} == reader.entries()
    return found


def write(path: Path, arrays: dict[str, Array]) -> None:
    """Write by hand, in the order of the mapping."""
    forms = {name: Form(array.shape, str(array.dtype)) for name, array in arrays.items()}
    Orbax().write(path, forms, iter(arrays.items()))


def same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    """Every entry, bit for bit."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert same_bits(found[name], array), name


def test_every_dtype_both_ways(tmp_path: Path) -> None:
    arrays = {dtype.__name__: samples.array(dtype) for dtype in samples.DTYPES}
    arrays |= {"mask": np.array([True, False]), "scalar": np.array(-5), "turned": samples.strided()}
    same(everything(saved(tmp_path / "theirs", {**arrays})), arrays)
    write(tmp_path / "ours", arrays)
    with ocp.StandardCheckpointer() as saver:
        restored = saver.restore(tmp_path / "ours", {name: np.zeros_like(array) for name, array in arrays.items()})
    same(restored, arrays)


@pytest.mark.parametrize("options", [{}, {"use_ocdbt": False}, {"use_zarr3": True}])
def test_a_tree_of_everything(tmp_path: Path, options: dict[str, bool]) -> None:
    tree = {
        "params": {"Dense_0": {"kernel": jnp.ones((2, 3)), "bias": np.array([1, 2], ml_dtypes.bfloat16)}},
        "list": [np.arange(3), np.ones((1, 2))],
        "dotted.na/me": np.array(2.5),
        "rate": 0.5,
        "step": 7,
        "void": {},
        "nothing": None,
    }
    ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**options)).save(tmp_path / "c", tree)
    expected = {
        "params/Dense_0/kernel": np.ones((2, 3), np.float32),
        "params/Dense_0/bias": np.array([1, 2], ml_dtypes.bfloat16),
        "list/0": np.arange(3),
        "list/1": np.ones((1, 2)),
        "dotted.na/me": np.array(2.5),
        "rate": np.array(0.5),
        "step": np.array(7),
    }
    same(everything(tmp_path / "c"), expected)
    with Orbax().open(tmp_path / "c") as reader:
        texts = dict(reader.metadata())
    assert texts.pop("_CHECKPOINT_METADATA").startswith('{"item_handlers"')
    assert texts == {"void": "Dict", "nothing": "None"}


def test_texts(tmp_path: Path) -> None:
    tree = {"a": np.ones(2), "in": {"note": "é" * 500}}
    ocp.PyTreeCheckpointer().save(tmp_path / "c", tree)
    with Orbax().open(tmp_path / "c") as reader:
        assert reader.metadata()["in/note"] == "é" * 200
        assert list(reader.entries()) == ["a"]


def test_steps_of_a_manager(tmp_path: Path) -> None:
    with ocp.CheckpointManager(tmp_path / "one") as manager:
        manager.save(5, args=ocp.args.StandardSave({"a": np.arange(3)}))
        manager.save(10, args=ocp.args.StandardSave({"a": np.arange(4)}))
    same(everything(tmp_path / "one" / "5"), {"a": np.arange(3)})
    same(everything(tmp_path / "one" / "10" / "default"), {"a": np.arange(4)})
    with pytest.raises(CheckpointError, match="found the steps 10, 5, expected a single one; open"):
        Orbax().open(tmp_path / "one")
    with ocp.CheckpointManager(tmp_path / "two") as manager:
        items = {"params": ocp.args.StandardSave({"a": np.ones(2)}), "extra": ocp.args.JsonSave({"epoch": 3})}
        manager.save(0, args=ocp.args.Composite(**items))
    same(everything(tmp_path / "two" / "0"), {"params/a": np.ones(2)})
    with Orbax().open(tmp_path / "two" / "0") as reader:
        assert reader.metadata()["extra"] == '{"epoch": 3}'


def test_a_nested_tree_is_restored(tmp_path: Path) -> None:
    arrays = {"params/Dense_0/kernel": np.ones((2, 3), np.float32), "step": np.array(3), "params/a.b": np.arange(2)}
    write(tmp_path / "c", arrays)
    write(tmp_path / "c", {**arrays, "step": np.array(4)})  # in the place of the first
    with ocp.StandardCheckpointer() as saver:
        restored = saver.restore(tmp_path / "c")
        assert {*saver.metadata(tmp_path / "c").item_metadata.tree} == {"params", "step"}
    assert restored["step"] == 4
    assert same_bits(restored["params"]["Dense_0"]["kernel"], arrays["params/Dense_0/kernel"])
    assert same_bits(restored["params"]["a.b"], arrays["params/a.b"])
    assert [found.name for found in tmp_path.iterdir()] == ["c"]


def test_many_arrays_in_several_transactions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orbax, "TOGETHER", 100)
    arrays = {f"layer/{number}/w": np.full((number % 5 + 1, 3), number, np.float32) for number in range(40)}
    arrays["large"] = np.arange(3_000_000, dtype=np.int32)  # more than one chunk
    arrays["zeros"] = np.zeros((1000, 7))
    write(tmp_path / "c", arrays)
    same(everything(tmp_path / "c"), arrays)
    with ocp.StandardCheckpointer() as saver:
        restored = saver.restore(tmp_path / "c")
    same({f"layer/{number}/w": found["w"] for number, found in restored["layer"].items()} | {
        "large": restored["large"], "zeros": restored["zeros"]}, arrays)  # fmt: skip


def test_nothing_is_left_of_a_refused_write(tmp_path: Path) -> None:
    refused: list[tuple[dict[str, Form], dict[str, Array], str]] = [
        ({"a": Form((2,), "float8_e4m3")}, {}, "a: dtype float8_e4m3 cannot be stored"),
        ({"a": Form((0, 2), "int8")}, {}, "a: Orbax stores no empty arrays"),
        ({"a.b": Form((2,), "int8"), "a/b": Form((2,), "int8")}, {}, "a/b: Orbax would put it in the place of a.b"),
        ({"a/../b": Form((2,), "int8")}, {}, "cannot be stored"),
        ({}, {}, "no empty tree"),
        ({"a": Form((2,), "int8")}, {"a": np.ones(3, np.int8)}, "a: found int8[3]"),
        ({"a": Form((2,), "int8")}, {}, "a: the source did not give it"),
    ]
    for forms, arrays, said in refused:
        with pytest.raises(CheckpointError) as error:
            Orbax().write(tmp_path / "c", forms, iter(arrays.items()))
        assert said in str(error.value)
    with pytest.raises(CheckpointError, match="choose a folder that exists"):
        write(tmp_path / "none" / "c", {"a": np.ones(2)})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("keep")
    with pytest.raises(CheckpointError, match="it is there and is no Orbax folder"):
        write(tmp_path / "mine", {"a": np.ones(2)})
    assert [found.name for found in tmp_path.iterdir()] == ["mine"]


def test_it_is_found_and_says_that_it_has_no_checksums(tmp_path: Path) -> None:
    saved(tmp_path / "c", {"a": np.ones(2, np.float32)})
    with Orbax().open(tmp_path / "c") as reader:
        with pytest.raises(CheckpointError, match="b: there is no such entry"):
            reader.read("b")
        with pytest.raises(Unsupported, match="keeps no checksums of arrays"):
            list(reader.verify())
    with open_checkpoint(tmp_path / "c") as reader:
        assert reader.entries() == {"a": Form((2,), "float32")}
