"""A module that hangs, crashes, exits, allocates without end or prints costs the laws that need what does so, and no
more; and never the run, the report or a process left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FAKE = Path(__file__).parent / "fake"
NAMES = ("Hangs", "Crashes", "Exits", "Grows", "Chats", "CrashesInACopy", "Raises", "ExitsInTheConstructor",
         "HangsInTheConstructor", "LeavesAProcess")  # fmt: skip
LAWS = ("P01", "P07", "P12")
"""P01 needs no pass."""
PASS = "a pass on a fresh instance was tried, and "


@pytest.fixture(scope="module")
def audits() -> dict[str, dict[str, Any]]:
    """One call for all of them."""
    arguments = [f"fake_zoo.hostile:{name}" for name in NAMES]
    arguments += [part for law in LAWS for part in ("--law", law)]
    arguments += ["--input", "f32[2,4]", "--timeout", "4", "--build-timeout", "8", "--memory", "0.4", "--jobs", "2"]
    program = [sys.executable, "-m", "constate", "check", *arguments, "--format", "json"]
    environment = os.environ | {"PYTHONPATH": str(FAKE)}
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    found = {row["target"].rpartition(":")[2]: row for row in map(json.loads, done.stdout.splitlines())}
    assert tuple(found) == NAMES
    return found


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Hangs", PASS + "the worker was stopped: no answer within 4 s at hostile.py:"),
        ("Crashes", PASS + "the worker was killed by SIGSEGV at hostile.py:"),
        ("Exits", PASS + "the worker ended with exit code 5"),
        ("Grows", PASS + "the worker was stopped: it took more than 0.4 GiB of memory at hostile.py:"),
        ("LeavesAProcess", PASS + "the worker ended with exit code 3"),
    ],
)
def test_a_pass_that_ends_the_process(audits: dict[str, dict[str, Any]], name: str, reason: str) -> None:
    """It is tried once, and the laws without a pass are run."""
    found = audits[name]
    assert found["verdicts"] == {"P01": "holds", "P07": "untested", "P12": "untested"}
    assert found["reasons"].keys() == {"P07", "P12"}
    assert all(text.startswith(reason) for text in found["reasons"].values()), found["reasons"]
    assert "error" not in found
    assert found["backend"] == "fake"


def test_a_law_that_ends_the_process(audits: dict[str, dict[str, Any]]) -> None:
    """It costs that law; those before and after it hold."""
    found = audits["CrashesInACopy"]
    assert found["verdicts"] == {"P01": "holds", "P07": "untested", "P12": "holds"}
    assert found["reasons"]["P07"].startswith("the worker was killed by SIGSEGV at hostile.py:")


def test_what_a_module_prints_is_in_no_report(audits: dict[str, dict[str, Any]]) -> None:
    assert set(audits["Chats"]["verdicts"].values()) == {"holds"}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("Raises", "the factory fails: ValueError: no way (hostile.py:"),
        ("ExitsInTheConstructor", "while building it, the worker ended with exit code 7"),
        ("HangsInTheConstructor", "while building it, the worker was stopped: no answer within 8 s at hostile.py:"),
    ],
)
def test_a_module_that_cannot_be_made(audits: dict[str, dict[str, Any]], name: str, error: str) -> None:
    found = audits[name]
    assert found["error"].startswith(error)
    assert set(found["verdicts"].values()) == {"untested"}
    assert set(found["reasons"].values()) == {found["error"]}
    assert not found["findings"]
