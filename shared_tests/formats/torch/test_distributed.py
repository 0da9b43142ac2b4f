"""Folders of torch.distributed.checkpoint: what two processes saved, read in one; and what one writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing
from torch.distributed import checkpoint as dcp

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, open_checkpoint
from constate.state import Array, same_bits
from constate_torch.formats.distributed import TorchDistributed
from formats.torch import samples, saving


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that two processes have saved."""
    folder = tmp_path_factory.mktemp("sharded") / "checkpoint"
    multiprocessing.spawn(saving.save, (folder,), nprocs=saving.PROCESSES)
    assert len(list(folder.glob("*.distcp"))) == saving.PROCESSES
    return folder


def test_what_two_processes_saved_is_read_in_one(sharded: Path) -> None:
    expected = {
        "model/rows/weight": np.arange(35, dtype=np.float32).reshape(7, 5),
        "model/columns/weight": np.arange(24).reshape(4, 6).astype(ml_dtypes.bfloat16),
        "model/everywhere": np.array([1 + 2j, -3j], np.complex64),
        "model/halves": np.repeat(np.array([0, 0, 1, 1], np.float32), 3).reshape(4, 3),
        "steps": np.array(7),
    }
    with TorchDistributed().open(sharded) as reader:
        assert reader.entries() == {name: Form(array.shape, str(array.dtype)) for name, array in expected.items()}
        for name, array in expected.items():
            assert same_bits(reader.read(name), array), name
        assert reader.metadata() == {
            "name_separator": ".", "optimizer/lr": "0.125", "optimizer/betas": "(0.5, 0.75)",
        }  # fmt: skip
        assert list(reader.verify()) == []
    assert not dist.is_initialized()


def test_the_folder_is_found_by_what_lies_there(sharded: Path) -> None:
    with open_checkpoint(sharded) as reader:
        assert "model/halves" in reader.entries()


def test_the_index_alone_says_what_there_is(sharded: Path, tmp_path: Path) -> None:
    """The files of data may be as long as they say and full of nothing: names, shapes and dtypes do not need them."""
    for file in sharded.iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content if file.name == ".metadata" else bytes(len(content)))
    with TorchDistributed().open(tmp_path) as reader:
        assert reader.entries()["model/rows/weight"] == Form((7, 5), "float32")
        with pytest.raises(CheckpointError, match="model/rows/weight: the zip archive is refused"):
            reader.read("model/rows/weight")


def test_a_changed_bit_is_found_where_it_is(sharded: Path, tmp_path: Path) -> None:
    for file in sharded.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    rows = saving.rows()[4:].numpy().tobytes()
    (file,) = (file for file in tmp_path.iterdir() if rows in file.read_bytes())
    content = bytearray(file.read_bytes())
    content[content.index(rows) + 5] ^= 4
    file.write_bytes(content)
    with TorchDistributed().open(tmp_path) as reader:
        ((name, how),) = reader.verify()
    assert name == "model/rows/weight"
    assert how == f"the bytes of archive/data/0 in {file.name} do not match their CRC-32"


# -- writing -------------------------------------------------------------------------------------------------------


def forms(arrays: dict[str, Array]) -> dict[str, Form]:
    """What is known of arrays beforehand."""
    return {name: Form(array.shape, str(array.dtype)) for name, array in arrays.items()}


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_torch_loads_what_is_written(tmp_path: Path) -> None:
    arrays = {f"block/{name}": samples.array(name) for name in samples.DTYPES}
    arrays |= {"turned/w": samples.array("int16").T, "scalar": np.array(3.5), "empty": np.zeros((0, 2), np.int8)}
    folder = tmp_path / "checkpoint"
    for _ in range(2):  # anew, and in the place of the one before
        TorchDistributed().write(folder, forms(arrays), iter(arrays.items()))
    assert list(tmp_path.iterdir()) == [folder]
    state = {f"block.{name}": torch.zeros(3, 4, dtype=dtype) for name, (_, dtype) in samples.DTYPES.items()}
    state["turned.w"] = torch.zeros(4, 3, dtype=torch.int16)
    state["scalar"] = torch.zeros((), dtype=torch.float64)
    state["empty"] = torch.zeros(0, 2, dtype=torch.int8)
    dcp.load(state, checkpoint_id=folder)
    for name in samples.DTYPES:
        assert state[f"block.{name}"].reshape(-1).view(torch.uint8).numpy().tobytes() == samples.bits(name), name
    assert state["turned.w"].numpy().tolist() == samples.array("int16").T.tolist()
    assert state["scalar"].item() == 3.5


def test_two_processes_load_what_one_has_written(tmp_path: Path) -> None:
    arrays: dict[str, Array] = {
        "model/rows/weight": np.arange(35, dtype=np.float32).reshape(7, 5),
        "model/columns/weight": np.arange(24).reshape(4, 6).astype(ml_dtypes.bfloat16),
    }
    folder = tmp_path / "checkpoint"
    TorchDistributed().write(folder, forms(arrays), iter(arrays.items()))
    multiprocessing.spawn(saving.load, (folder,), nprocs=saving.PROCESSES)
    parts = [torch.load(tmp_path / f"part {rank}", weights_only=True) for rank in range(saving.PROCESSES)]
    rows = [part["model.rows.weight"] for part in parts]
    assert [len(part) for part in rows] == [4, 3]
    assert torch.equal(torch.cat(rows), saving.rows())
    assert torch.equal(torch.cat([part["model.columns.weight"] for part in parts], 1), saving.columns())


def test_a_write_that_fails_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    TorchDistributed().write(folder, forms({"a": np.ones(2)}), [("a", np.ones(2))])

    def arrays() -> Iterator[tuple[str, Array]]:
        yield "a", np.zeros(2)
        raise CheckpointError("the source is damaged")

    with pytest.raises(CheckpointError, match="the source is damaged"):
        TorchDistributed().write(folder, forms({"a": np.ones(2), "b": np.ones(2)}), arrays())
    assert list(tmp_path.iterdir()) == [folder]
    with TorchDistributed().open(folder) as reader:
        assert reader.read("a").tolist() == [1, 1]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(CheckpointError, match="it is there and is no distributed checkpoint"):
        TorchDistributed().write(tmp_path, forms({"a": np.ones(2)}), [("a", np.ones(2))])
    with pytest.raises(CheckpointError, match="dtype int4 cannot be stored"):
        TorchDistributed().write(tmp_path / "new", {"a": Form((), "int4")}, ())
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
