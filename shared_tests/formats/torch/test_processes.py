"""Folders of torch.distributed.checkpoint that some processes save and others load, with one in between."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from constate.checkpoint.formats import Form, open_checkpoint
from constate.cli import main
from constate.errors import UsageError
from constate.state import Array, same_bits
from constate_torch.formats.distributed import TorchDistributed
from formats.torch import saving

ROWS = np.arange(35, dtype=np.float32).reshape(7, 5)
COLUMNS = np.arange(24).reshape(4, 6).astype(ml_dtypes.bfloat16)
EVERYWHERE = np.array([1 + 2j, -3j], np.complex64)
GRID = np.arange(35).reshape(5, 7)
SPREAD: dict[str, Array] = {
    "model/rows/weight": ROWS, "model/columns/weight": COLUMNS, "model/everywhere": EVERYWHERE,
}  # fmt: skip


def saved(processes: int) -> dict[str, Array]:
    """What that many processes have saved."""
    halves = np.repeat(np.arange(processes, dtype=np.float32), 2 * 3).reshape(2 * processes, 3)
    return {**SPREAD, "model/grid": GRID, "model/hybrid": GRID, "model/halves": halves, "steps": np.array(7)}


@pytest.fixture(scope="module", params=[2, 4])
def sharded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """How many processes have saved a folder, and the folder."""
    folder = tmp_path_factory.mktemp("sharded") / "checkpoint"
    multiprocessing.spawn(saving.save, (request.param, folder), nprocs=request.param)
    assert len(list(folder.glob("*.distcp"))) == request.param
    return request.param, folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the command line: what it prints, and the code that it exits with."""

    def go(*arguments: Any) -> str:
        monkeypatch.setattr(sys, "argv", ["constate", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return f"{out}{err}exit {ended.value.code or 0}"

    return go


def test_what_some_processes_saved_is_read_in_one(sharded: tuple[int, Path]) -> None:
    processes, folder = sharded
    expected = saved(processes)
    with TorchDistributed().open(folder) as reader:
        assert reader.entries() == {name: Form(array.shape, str(array.dtype)) for name, array in expected.items()}
        for name, array in expected.items():
            assert same_bits(reader.read(name), array), name
        assert reader.metadata() == {
            "name_separator": ".", "optimizer/lr": "0.125", "optimizer/betas": "(0.5, 0.75)",
        }  # fmt: skip
        assert list(reader.verify()) == []
    assert not dist.is_initialized()


def test_the_command_line_takes_such_a_folder(
    sharded: tuple[int, Path], tmp_path: Path, run: Callable[..., str]
) -> None:
    processes, folder = sharded
    listed = run("inspect", folder)
    assert [line.split()[1:6:2] for line in listed.splitlines() if "rows" in line] == [
        ["model/rows/weight", "float32", "[7,"]
    ]
    assert "torch-distributed, 7 entries" in listed
    size = sum(array.nbytes for array in saved(processes).values())
    assert run("verify", folder).endswith(f"checkpoint: ok: 7 entries, {size} bytes\nexit 0")
    other = tmp_path / "m.safetensors"
    assert run("convert", folder, other).endswith("exit 0")
    assert run("diff", folder, other).endswith("exit 0")
    assert run("verify", other).endswith("exit 0")


@pytest.mark.parametrize("processes", [2, 3])
def test_some_processes_load_what_one_has_written(tmp_path: Path, processes: int) -> None:
    folder = tmp_path / "checkpoint"
    forms = {name: Form(array.shape, str(array.dtype)) for name, array in SPREAD.items()}
    TorchDistributed().write(folder, forms, iter(SPREAD.items()))
    require_loaded(folder, processes)


def require_loaded(folder: Path, processes: int) -> None:
    """Fail unless that many processes load what is ``SPREAD``, each its part."""
    multiprocessing.spawn(saving.load, (processes, folder), nprocs=processes)
    parts = [
        torch.load(folder.with_name(f"part {rank} of {processes}"), weights_only=True) for rank in range(processes)
    ]
    rows = [part["model.rows.weight"] for part in parts]
    assert [len(part) for part in rows] == {2: [4, 3], 3: [3, 3, 1]}[processes]
    assert torch.equal(torch.cat(rows), saving.rows())
    assert torch.equal(torch.cat([part["model.columns.weight"] for part in parts], 1), saving.columns())
    for part in parts:
        assert torch.equal(part["model.everywhere"], saving.replicated())


def test_by_way_of_a_container_to_other_processes(
    sharded: tuple[int, Path], tmp_path: Path, run: Callable[..., str]
) -> None:
    _, folder = sharded
    assert run("convert", folder, tmp_path / "m.safetensors").endswith("exit 0")
    again = tmp_path / "again"
    assert run("convert", tmp_path / "m.safetensors", again, "--format", "torch-distributed").endswith("exit 0")
    require_loaded(again, 3)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in nested dictionaries and lists, with the dots of PyTorch's names as levels."""
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, f"{path}/{key}".replace(".", "/"))
    else:
        yield path[1:], tree


def test_a_module_and_its_optimizer_that_two_processes_trained(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    multiprocessing.spawn(saving.train, (2, folder), nprocs=2)
    whole = dict(leaves(torch.load(tmp_path / "whole", weights_only=True)))
    expected = {name: value.numpy() for name, value in whole.items() if isinstance(value, torch.Tensor)}
    assert "optimizer/state/2/weight/exp_avg_sq" in expected
    with TorchDistributed().open(folder) as reader:
        assert {*reader.entries()} == {*expected}
        for name, array in expected.items():
            assert same_bits(reader.read(name), array), name
        assert reader.metadata()["optimizer/param_groups/0/lr"] == "0.125"


def test_files_of_safetensors_that_two_processes_saved(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    multiprocessing.spawn(saving.save_safetensors, (2, folder), nprocs=2)
    with open_checkpoint(folder / "whole") as reader:
        assert {*reader.entries()} == {"rows/weight", "columns/weight"}
        assert same_bits(reader.read("rows/weight"), ROWS)
        assert same_bits(reader.read("columns/weight"), COLUMNS)
    with pytest.raises(UsageError) as error:
        open_checkpoint(folder / "parts")
    assert "expected whole arrays and not parts of them" in str(error.value)
