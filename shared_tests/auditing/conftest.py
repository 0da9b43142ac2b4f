"""Audits of labelled modules: a run names the folder of the corpus that it is about, one framework a process."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CORPUS = Path(__file__).parents[1] / "corpus"
BACKENDS = sorted(folder.name for folder in CORPUS.iterdir() if (folder / "__init__.py").exists())


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("constate")
    group.addoption("--corpus", choices=BACKENDS, help="the folder of the corpus to audit; one framework a process")


def modules_of(backend: str) -> list[str]:
    """The names of the labelled modules of a backend."""
    return sorted(path.stem for path in (CORPUS / backend).glob("*.py") if path.stem != "__init__")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "labelled" in metafunc.fixturenames:
        backend = metafunc.config.getoption("--corpus")
        if backend is None:
            raise pytest.UsageError("name a folder of the corpus: --corpus torch")
        names = modules_of(backend)
        metafunc.parametrize("labelled", [f"corpus.{backend}.{name}" for name in names], ids=names, indirect=True)


@pytest.fixture
def labelled(request: pytest.FixtureRequest) -> ModuleType:
    """A module of the corpus, imported."""
    return importlib.import_module(request.param)


class _Scores:
    """Gathers what the audits of all worker processes found, and prints precision and recall."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.rows += [json.loads(str(value)) for name, value in report.user_properties if name == "score"]

    @pytest.hookimpl(wrapper=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Iterator[None]:
        if self.rows:
            planted = [row for row in self.rows if row["planted"]]
            found = sum(row["found"] for row in planted)
            right, wrong = (sum(row[kind] for row in self.rows) for kind in ("right", "wrong"))
            recall = found / len(planted) if planted else 1.0
            precision = right / (right + wrong) if right + wrong else 1.0
            terminalreporter.write_line(
                f"corpus: {len(self.rows)} modules, {len(planted)} with a planted hazard, "
                f"{len(self.rows) - len(planted)} clean; recall {found}/{len(planted)} = {recall:.0%}, precision of "
                f"fails {right}/{right + wrong} = {precision:.0%}"
            )
        yield


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Scores())
