"""``constate check`` on modules of PyTorch in a folder of the user's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = """
import os
import signal

import torch
from torch import nn


class Positions(nn.Module):
    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.project = nn.Linear(dim, dim)
        self.register_buffer("table", torch.linspace(0, 1, dim), persistent=False)

    def forward(self, x):
        print("a pass")
        return self.project(x) + self.table


class Block(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, x):
        return self.norm(x)


class Stacked(Block):
    def __init__(self) -> None:
        super().__init__(8)


class Crashing(Stacked):
    def forward(self, x):
        os.kill(os.getpid(), signal.SIGSEGV)


class Unmade(nn.Module):
    def __init__(self) -> None:
        raise ValueError("set the environment first")


inputs = [torch.ones(4, 8)]
model = Stacked()
"""
LAWS = ("--law", "P11", "--law", "M05")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(MODELS)
    return tmp_path


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As from a shell, with a pipe for the output."""
    program = [sys.executable, "-m", "constate", "check", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_table_that_is_not_saved(folder: Path) -> None:
    """Found with its line and what to write; the inputs are inferred; what the module prints is not there."""
    done = check(folder, "mine.models:Positions")
    assert (done.returncode, done.stderr) == (1, "")
    line = 1 + MODELS.splitlines().index(
        '        self.register_buffer("table", torch.linspace(0, 1, dim), persistent=False)'
    )
    assert f"P11 abstract build  table  mine/models.py:{line}\n" in done.stdout
    assert 'self.register_buffer("table", value)' in done.stdout
    assert done.stdout.startswith("mine.models:Positions (torch): ")
    assert " 0 not run\n" in done.stdout.splitlines(keepends=True)[0]
    assert done.stdout.endswith("1 target: 0 clean, 1 with findings (1 fail)\n")
    assert "a pass" not in done.stdout


def test_several_targets_one_of_which_crashes(folder: Path) -> None:
    targets = [f"mine/models.py:{name}" for name in ("Stacked", "Crashing", "Unmade")]
    done = check(folder, *targets, "--input-from", ":inputs", "--format", "json", "--law", "P01", "--law", "M05")
    assert (done.returncode, done.stderr) == (2, "")
    stacked, crashing, unmade = map(json.loads, done.stdout.splitlines())
    assert stacked["verdicts"] == {"P01": "holds", "M05": "holds"}
    assert crashing["verdicts"] == {"P01": "holds", "M05": "untested"}
    assert "killed by SIGSEGV at models.py:" in crashing["reasons"]["M05"]
    assert unmade["error"].startswith("the factory fails: ValueError: set the environment first (models.py:")
    assert stacked["versions"]["torch"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("mine.models:Block", "mine.models:Block needs the argument dim; name what takes none"),
        ("mine.models:model", "mine.models:model is an instance of Stacked, expected what makes a new one each time"),
        ("torch.nn:Liner", "torch.nn has no 'Liner'; did you mean 'Linear'?"),
        ("torch.nn:Linear", "torch.nn:Linear needs the arguments in_features, out_features; name what takes none"),
    ],
)
def test_what_cannot_be_made_is_one_line(folder: Path, target: str, said: str) -> None:
    done = check(folder, target)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"constate: {said}")
    assert done.stderr.count("\n") == 1


def test_all_of_a_package(folder: Path) -> None:
    (folder / "arguments.toml").write_text('[Block]\nkwargs = { dim = 8 }\ninputs = ["f32[4,8]"]\n')
    done = check(folder, "--all", "mine", "--arguments", "arguments.toml", *LAWS, "--input", "f32[4,8]")
    assert (done.returncode, done.stderr) == (1, "")
    rows = [json.loads(line) for line in (folder / "report" / "audits.jsonl").read_text().splitlines()]
    assert {row["target"].rpartition(":")[2]: tuple(row["verdicts"].values()) for row in rows} == {
        "Positions": ("broken", "holds"), "Block": ("holds", "holds"), "Stacked": ("holds", "holds"),
        "Crashing": ("holds", "untested")}  # fmt: skip
    assert "mine.models:Unmade not made: the factory fails: ValueError" in done.stdout
    assert "constate check: mine" in (folder / "report" / "index.html").read_text()
