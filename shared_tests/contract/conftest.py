"""One framework a process: a run names the backends that it is about, or runs what needs no framework."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import verdict_files

from constate.backend import FLAVOURS, get_backend
from constate.catalog import CATALOG
from constate.checking import formats_of
from constate.laws import LAWS
from constate.verdicts import Cell

HERE = Path(__file__).parent
EXCHANGE = HERE.parent / "exchange"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("constate")
    group.addoption("--backend", action="append", default=[], help="a backend to test; one framework a process")
    group.addoption("--accept", action="store_true", help="write the verdicts that were found as the committed ones")


def chosen(config: pytest.Config) -> list[str]:
    """The backends of this run."""
    found: list[str] = config.getoption("--backend")
    if not found:
        raise pytest.UsageError("name a backend: --backend torch")
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config = metafunc.config
    if "law_cell" in metafunc.fixturenames:
        cells = [
            (backend, module, code, format)
            for name in chosen(config)
            for backend in (get_backend(name, flavour) for flavour in FLAVOURS)
            for module in CATALOG
            for code, law in LAWS.items()
            for format in formats_of(law, backend)
        ]
        ids = ["-".join(filter(None, (b.name, b.flavour, m, c, f))) for b, m, c, f in cells]
        metafunc.parametrize("law_cell", cells, ids=ids)
    elif "backend" in metafunc.fixturenames:
        backends = [get_backend(name, flavour) for name in chosen(config) for flavour in FLAVOURS]
        metafunc.parametrize("backend", backends, ids=[f"{b.name}-{b.flavour}" for b in backends])
    elif "backend_name" in metafunc.fixturenames:
        metafunc.parametrize("backend_name", chosen(config))
    if "module" in metafunc.fixturenames:
        metafunc.parametrize("module", list(CATALOG))


class _Accepting:
    """Gathers the cells of all worker processes and writes them as the committed verdicts."""

    def __init__(self, backends: list[str]) -> None:
        self.backends = backends
        self.cells: list[Cell] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.cells += [Cell.from_json(json.loads(str(v))) for name, v in report.user_properties if name == "cell"]

    def pytest_sessionfinish(self) -> None:
        for name in self.backends:
            verdict_files.write(name, [cell for cell in self.cells if cell.backend == name])


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--accept") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Accepting(chosen(config)))
