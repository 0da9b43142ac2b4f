"""``parametrize_with_laws`` and the plugin, as a user's own suite uses them, each in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import constate
from constate.errors import UsageError

MODULES = '''
import torch
from torch import nn

class Clean(nn.Module):
    def __init__(self, norm=False):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4) if norm else nn.Identity()
    def forward(self, x):
        return self.norm(self.linear(x))

class Forgetful(Clean):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.randn(4), persistent=False)
    def forward(self, x):
        return super().forward(x) + self.table

class Ticking(Clean):
    """A counter that is a warning and no failure."""
    def __init__(self):
        super().__init__()
        self.losses = []
    def forward(self, x):
        if self.training:
            self.losses.append(0.5)
        return super().forward(x)
'''


def run(folder: Path, *arguments: str, test: str | None = None) -> subprocess.CompletedProcess[str]:
    """A pytest in a folder with some modules, and with a test file where there is one."""
    (folder / "modules.py").write_text(MODULES)
    if test is not None:
        (folder / "test_laws.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


SUITE = """
from functools import partial
import constate
from modules import Clean, Forgetful, Ticking

@constate.parametrize_with_laws({factories}, inputs=["f32[2,4]"], laws={laws}, expected={expected})
def test_state(check):
    check()
"""


def suite(factories: str, laws: str, expected: str = "{}") -> str:
    """A test file."""
    return SUITE.replace("{factories}", factories).replace("{laws}", laws).replace("{expected}", expected)


def test_one_test_a_law_and_module_with_readable_names(tmp_path: Path) -> None:
    found = run(tmp_path, test=suite("[Clean, partial(Clean, norm=True), Forgetful]", '["P09", "P12", "P13"]'))
    assert found.returncode == 1
    for name in ("Clean-P09", "Clean(norm=True)-P12", "Forgetful-P12"):
        assert f"PASSED test_laws.py::test_state[{name}]" in found.stdout, found.stdout
    assert "FAILED test_laws.py::test_state[Forgetful-P09]" in found.stdout
    assert "table is not in the checkpoint" in found.stdout and "register_buffer" in found.stdout
    assert "SKIPPED [3]" in found.stdout and "P13 is not-applicable: no entry is None" in found.stdout


def test_an_expected_failure_is_no_failure_and_has_to_fail(tmp_path: Path) -> None:
    expected = '{"P09": "drawn anew on purpose"}'
    met = run(tmp_path, test=suite("[Forgetful]", '["P09"]', expected))
    assert met.returncode == 0 and "1 xfailed" in met.stdout
    unmet = run(tmp_path, test=suite("[Clean]", '["P09"]', expected))
    assert unmet.returncode == 1 and "XPASS(strict)" in unmet.stdout
    absent = run(tmp_path, test=suite("[Clean]", '["P13"]', '{"P13": "nothing is None"}'))
    assert absent.returncode == 1 and "take it out of expected" in absent.stdout


def test_a_warning_passes_and_warns(tmp_path: Path) -> None:
    found = run(tmp_path, test=suite("[Ticking]", '["G06"]'))
    assert found.returncode == 0 and "LawWarning: Ticking: G06 warn: losses" in found.stdout, found.stdout
    strict = run(tmp_path, "-W", "error", test=suite("[Ticking]", '["G06"]'))
    assert strict.returncode == 1


def test_an_unknown_code_stops_the_collection(tmp_path: Path) -> None:
    found = run(tmp_path, test=suite("[Clean]", "None", '{"P99": "there is no such law"}'))
    assert found.returncode == 2 and "'P99'" in found.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"factories": []}, "found no factories"),
        ({"factories": [3]}, "expected a factory"),
        ({"factories": [dict], "expected": {"P09": ""}}, "found no reason for P09"),
        ({"factories": [dict], "laws": ["Q"]}, "'Q'"),
    ],
)
def test_a_wrong_call_is_refused_at_once(given: dict[str, object], said: str) -> None:
    factories = given.pop("factories")
    with pytest.raises(UsageError, match=said):
        constate.parametrize_with_laws(factories, **given)  # type: ignore[arg-type]


def test_the_plugin_needs_no_test_file(tmp_path: Path) -> None:
    arguments = ["--constate-input", "f32[2,4]", "--constate-law", "P09", "--constate-law", "P12"]
    found = run(tmp_path, "--constate", "modules:Forgetful", "--constate", "modules:Clean", *arguments)
    assert found.returncode == 1 and "3 passed" in found.stdout and "1 failed" in found.stdout
    assert "modules:Forgetful-P09" in found.stdout and "table is not in the checkpoint" in found.stdout
    assert "Traceback" not in found.stdout


@pytest.mark.parametrize("target", ["modules", "modules:Nothing", "nowhere:Clean"])
def test_a_target_that_is_not_there_is_one_line(tmp_path: Path, target: str) -> None:
    found = run(tmp_path, "--constate", target)
    assert found.returncode == 4
    assert "ERROR:" in found.stderr and "Traceback" not in found.stderr + found.stdout
