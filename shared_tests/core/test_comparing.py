"""A worker that dies or hangs costs the cell that it was at, and no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from constate.comparing import Comparison, Worker, compare
from constate.verdicts import Cell, Verdict
from constate.workers import WorkerLost

pytestmark = pytest.mark.usefixtures("fake_backend")


def run(*modules: str, limit: float = 60.0) -> tuple[dict[str, Cell], Comparison]:
    """Law P01 on some modules of the fake backend."""
    reported: list[tuple[Cell, int]] = []
    found = compare(["fake"], ["native"], modules, ["P01"], limit=limit, report=lambda *seen: reported.append(seen))
    assert [cell for cell, _ in reported] == found.cells
    assert {total for _, total in reported} == {len(modules)}
    return {cell.module: cell for cell in found.cells}, found


@pytest.mark.parametrize(
    ("module", "reason"),
    [("batch_norm", "killed by SIGKILL"), ("frozen_linear", "exit code 7"), ("rotary_embedding", "exit code 3")],
)
def test_a_worker_that_dies(module: str, reason: str) -> None:
    cells, found = run(module, "positional_encoding")
    assert cells[module].verdict is Verdict.UNTESTED
    assert reason in cells[module].reason
    assert cells["positional_encoding"].verdict is Verdict.HOLDS
    assert len(found.lost) == 1
    assert f"fake, native, {module} P01" in found.lost[0]


def test_a_worker_that_hangs() -> None:
    begun = time.monotonic()
    cells, found = run("causal_attention", "positional_encoding", limit=5.0)
    assert cells["causal_attention"].verdict is Verdict.UNTESTED
    assert "no answer within 5 s" in cells["causal_attention"].reason
    assert cells["positional_encoding"].verdict is Verdict.HOLDS
    assert len(found.lost) == 1
    assert time.monotonic() - begun < 60


def test_a_worker_that_prints() -> None:
    cells, found = run("input_normalizer", "positional_encoding")
    assert {cell.verdict for cell in cells.values()} == {Verdict.HOLDS}
    assert not found.lost


def test_a_worker_killed_from_outside() -> None:
    worker = Worker("fake", "native")
    process = worker.start()
    threading.Timer(1.0, os.kill, (process.pid, signal.SIGTERM)).start()
    request = {"law": "P01", "module": "causal_attention", "format": None, "exchange": ".", "device": None}
    with pytest.raises(WorkerLost, match="killed by SIGTERM"):
        worker.ask(request, 30.0)
    answer = worker.ask(request | {"module": "positional_encoding"}, 30.0)
    assert answer["verdict"] == "holds"
    worker.stop()


def test_a_worker_killed_while_it_starts_is_started_again() -> None:
    def strike() -> None:
        while worker._process is None:
            time.sleep(0.01)
        worker.kill()

    worker = Worker("fake", "native")
    threading.Thread(target=strike).start()
    with pytest.raises(WorkerLost, match="killed by SIGKILL"):
        worker.start()
    worker.start()
    assert worker.formats == ["fake"]
    worker.stop()


def test_a_format_or_a_device_that_no_backend_has() -> None:
    found = compare(["fake"], ["native"], ["positional_encoding"], ["P01"], formats=["fake", "tar"], device="moon")
    assert found.unknown == ["format 'tar'", "device 'moon'"]
    assert not found.cells


def test_a_backend_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    begun = time.monotonic()
    cells, found = run("positional_encoding", "batch_norm", "causal_attention")
    assert time.monotonic() - begun < 15, "tried again for every cell"
    assert {cell.verdict for cell in cells.values()} == {Verdict.UNTESTED}
    assert "not installed" in cells["positional_encoding"].reason or "unknown backend" in found.lost[0]


def test_a_law_that_runs_once_per_format_does_so_from_the_first_cell_on() -> None:
    found = compare(["fake"], ["native"], ["positional_encoding"], ["P06"])
    assert [cell.format for cell in found.cells] == ["fake"]


def test_laws_of_interchange_without_peers() -> None:
    found = compare(["fake"], ["native"], ["positional_encoding"], ["X01"])
    assert [cell.verdict for cell in found.cells] == [Verdict.UNTESTED]


def test_an_interrupt_stops_the_workers() -> None:
    """As from the keyboard, in a process of its own."""
    program = (
        "from constate.comparing import compare\n"
        "print('begun', flush=True)\n"
        "compare(['fake'], ['native', 'constate'], ['causal_attention'] * 3, ['P01'], jobs=1)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(4)  # the worker is in its first cell, which takes ten minutes
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0
