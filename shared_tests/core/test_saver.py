"""Saving in the background: what is saved is the state of the call, and no failure goes unseen."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from constate.checkpoint import CheckpointError, Saver, load
from constate.state import same_bits


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Every write waits for it before it is on the disk."""
    event, fsync = threading.Event(), os.fsync

    def wait(file: int) -> None:
        assert event.wait(20)
        fsync(file)

    monkeypatch.setattr(os, "fsync", wait)
    return event


def test_training_goes_on_and_is_not_in_the_file(tmp_path: Path, gate: threading.Event) -> None:
    weight = np.arange(6.0).reshape(2, 3)
    with Saver() as saver:
        saver.save(tmp_path / "m", {"w": weight.T, "n": np.array(1)}, {"step": "1"})
        weight += 100
        assert not (tmp_path / "m").exists(), "save does not wait for the disk"
        gate.set()
    found = load(tmp_path / "m")
    assert same_bits(found["w"], np.arange(6.0).reshape(2, 3).T.copy()) and found["n"] == 1


def test_a_second_save_waits_for_the_first_and_uses_its_memory_again(tmp_path: Path, gate: threading.Event) -> None:
    weight = np.zeros(1000)
    saver = Saver()
    saver.save(tmp_path / "1", {"w": weight})
    threading.Timer(0.05, gate.set).start()
    before = saver._snapshot["w"]
    saver.save(tmp_path / "2", {"w": weight + 1, "other": np.ones(2, np.float16)})
    assert (tmp_path / "1").exists() and saver._snapshot["w"] is before
    saver.save(tmp_path / "3", {"w": np.ones(7)})
    saver.wait()
    assert not load(tmp_path / "1")["w"].any() and load(tmp_path / "2")["w"].all()
    assert list(load(tmp_path / "2")) == ["w", "other"] and load(tmp_path / "3")["w"].shape == (7,)


def test_a_failure_is_raised_by_the_next_call_and_once(tmp_path: Path) -> None:
    saver = Saver()
    saver.save(tmp_path / "nowhere" / "m", {"w": np.zeros(2)})
    with pytest.raises(CheckpointError, match="choose a folder that exists"):
        saver.save(tmp_path / "m", {"w": np.zeros(2)})
    assert not (tmp_path / "m").exists()
    saver.save(tmp_path / "m", {"w": np.zeros(2)})
    saver.wait()
    saver.wait()
    assert (tmp_path / "m").exists()


def test_a_failure_is_raised_at_the_end_of_a_block(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="dtype complex128 cannot be stored"), Saver() as saver:
        saver.save(tmp_path / "m", {"w": np.zeros(2, np.complex128)})
    with pytest.raises(ZeroDivisionError) as raised, Saver() as saver:
        saver.save(tmp_path / "m", {"w": np.zeros(2, np.complex128)})
        raise ZeroDivisionError
    assert ["and a checkpoint was not saved" in note for note in raised.value.__notes__] == [True]


@pytest.mark.parametrize(("place", "said"), [("m", ""), ("nowhere/m", "constate: a checkpoint was not saved: cannot")])
def test_python_ends_when_the_file_is_there_or_says_why_not(tmp_path: Path, place: str, said: str) -> None:
    program = "import sys, numpy, constate.checkpoint as c\nc.Saver().save(sys.argv[1], {'w': numpy.ones(1 << 20)})\n"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / place)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr.startswith(said) and bool(done.stderr) == bool(said)
    assert not said or done.stderr.count("\n") == 1
    if not said:
        assert load(tmp_path / place)["w"].all()
