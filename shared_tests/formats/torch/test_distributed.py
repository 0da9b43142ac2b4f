"""Folders of torch.distributed.checkpoint: what is known of them before they are read, and what is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import multiprocessing
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, open_checkpoint
from constate.state import Array
from constate_torch.formats.distributed import TorchDistributed
from formats.torch import samples, saving


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that two processes have saved."""
    folder = tmp_path_factory.mktemp("sharded") / "checkpoint"
    multiprocessing.spawn(saving.save, (2, folder), nprocs=2)
    assert len(list(folder.glob("*.distcp"))) == 2
    return folder


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


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
@pytest.mark.parametrize("options", [{"thread_count": 2}, {"thread_count": 2, "single_file_per_rank": False}])
def test_however_the_pieces_are_put_into_files(tmp_path: Path, options: dict[str, Any]) -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3), "in": {"b": torch.ones(3, dtype=torch.bfloat16), "n": 5}}
    dcp.save(state, storage_writer=FileSystemWriter(tmp_path, **options), no_dist=True)
    assert len(list(tmp_path.glob("*.distcp"))) == (2 if "single_file_per_rank" not in options else 3)
    with TorchDistributed().open(tmp_path) as reader:
        assert reader.entries() == {"a": Form((2, 3), "float32"), "in/b": Form((3,), "bfloat16")}
        assert reader.read("a").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert reader.read("in/b").tolist() == [1, 1, 1]
        assert reader.metadata()["in/n"] == "5"
        assert list(reader.verify()) == []


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
