"""Folders of Orbax whose arrays some processes save and others restore, each its part, with one process in between."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate.checkpoint.formats.recognising import recognise
from constate.cli import main
from constate.state import Array, same_bits
from constate_flax.formats.orbax import Orbax
from formats.flax import sharding

EXPECTED: dict[str, Array] = {
    "params/grid": np.arange(4096, dtype=np.float32).reshape(64, 64),
    "params/rows": np.arange(1536).reshape(64, 24).astype(ml_dtypes.bfloat16),
    "params/everywhere": np.array([1 + 2j, -3j], np.complex64),
}
LAYOUTS = [(8, 1), (4, 2), (1, 2)]
"""Devices of each process, and processes."""


@pytest.fixture(scope="module", params=LAYOUTS, ids=str)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """How many processes have saved, and the folder with what they have."""
    devices, processes = request.param
    folder = tmp_path_factory.mktemp("saved")
    sharding.run("save", folder, devices, processes)
    written = sorted(folder.glob("standard/ocdbt.process_*/d/*"))
    assert {file.parts[-3] for file in written} == {f"ocdbt.process_{rank}" for rank in range(processes)}
    return processes, folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, int]]:
    """Run the command line: what it prints, and the code that it exits with."""

    def go(*arguments: Any) -> tuple[str, int]:
        monkeypatch.setattr(sys, "argv", ["constate", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return out + err, int(ended.value.code or 0)

    return go


def require_expected(path: Path) -> None:
    """Fail unless a folder is read as what was spread."""
    with Orbax().open(path) as reader:
        assert reader.entries() == {name: Form(array.shape, str(array.dtype)) for name, array in EXPECTED.items()}
        for name, array in EXPECTED.items():
            assert same_bits(reader.read(name), array), name


def require_restored(folder: Path, devices: int, processes: int) -> None:
    """Fail unless the devices of some processes get from ``standard`` what was spread, each its part."""
    sharding.run("restore", folder, devices, processes)
    require_parts(folder, processes)


def require_parts(folder: Path, processes: int) -> None:
    """Fail unless the parts that some processes have put there are, together, what was spread."""
    for name, expected in EXPECTED.items():
        whole, filled = np.zeros_like(expected), np.zeros(expected.shape, np.bool_)
        parts = [file.name.split(" ") for file in folder.glob(f"* {name.removeprefix('params/')} *")]
        for rank, array, where in parts:
            place = tuple(slice(*map(int, side.split(":"))) for side in where.split(","))
            raw = (folder / f"{rank} {array} {where}").read_bytes()
            whole[place] = np.frombuffer(raw, expected.dtype).reshape(whole[place].shape)
            filled[place] = True
        assert {int(rank) for rank, _, _ in parts} == {*range(processes)}
        assert filled.all(), name
        assert same_bits(whole, expected), name


def test_what_devices_of_processes_saved_is_read_in_one(saved: tuple[int, Path]) -> None:
    _, folder = saved
    for path in (folder / "standard", folder / "manager" / "3"):
        assert recognise(path) == "orbax"
        require_expected(path)


def test_what_one_process_has_written_is_restored_by_two(tmp_path: Path) -> None:
    forms = {name: Form(array.shape, str(array.dtype)) for name, array in EXPECTED.items()}
    Orbax().write(tmp_path / "standard", forms, iter(EXPECTED.items()))
    require_restored(tmp_path, devices=4, processes=2)


def test_a_container_of_eight_devices_is_loaded_by_two_processes(tmp_path: Path) -> None:
    sharding.run("write", tmp_path, devices=8)
    sharding.run("load", tmp_path, devices=4, processes=2)
    require_parts(tmp_path, processes=2)


def test_by_way_of_a_container_to_other_processes(
    saved: tuple[int, Path], tmp_path: Path, run: Callable[..., tuple[str, int]]
) -> None:
    processes, folder = saved
    container, again = tmp_path / "m.safetensors", tmp_path / "standard"
    assert "orbax, 3 entries" in run("inspect", folder / "standard")[0]
    assert run("convert", folder / "standard", container)[1] == 0
    assert run("diff", folder / "standard", container)[1] == 0
    assert run("convert", container, again, "--format", "orbax")[1] == 0
    said, code = run("verify", again, folder / "standard")
    assert code == 2
    assert said.count(": keeps no checksums: ") == 2
    require_restored(tmp_path, *{1: (4, 2), 2: (8, 1)}[processes])


def test_the_files_of_a_process_that_are_lost(
    saved: tuple[int, Path], tmp_path: Path, run: Callable[..., tuple[str, int]]
) -> None:
    processes, folder = saved
    shutil.copytree(folder / "standard", tmp_path / "c")
    shutil.rmtree(tmp_path / "c" / f"ocdbt.process_{processes - 1}")
    with pytest.raises(CheckpointError, match="cannot be read") as error, Orbax().open(tmp_path / "c") as reader:
        for name in reader.entries():
            reader.read(name)
    assert "\n" not in str(error.value)
    said, code = run("verify", tmp_path / "c")
    assert code == 1
    assert ": damaged: params/" in said
