"""The contract: one test for every law, module, backend, flavour and, where a law runs once per format, format."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import verdict_files

from constate.backend import Backend
from constate.checking import run_cell
from constate.verdicts import Verdict
from contract.conftest import EXCHANGE


def test_law(
    law_cell: tuple[Backend, str, str, str | None],
    record_property: Callable[[str, object], None],
    pytestconfig: pytest.Config,
) -> None:
    """What running finds is what is committed, both ways: a law that unexpectedly holds fails as well."""
    backend, module, code, format = law_cell
    cell = run_cell(backend, module, code, format, EXCHANGE)
    record_property("cell", json.dumps(cell.to_json()))
    if pytestconfig.getoption("--accept"):
        return
    committed = verdict_files.read(backend.name).get((backend.flavour, module, code, format))
    assert committed is not None, f"no committed verdict; found {cell.verdict}: {cell.reason}; run: nox -s accept"
    assert cell.verdict == committed, f"found {cell.verdict} ({cell.reason}), committed {committed}"
    assert cell.verdict is not Verdict.UNTESTED, cell.reason
    if backend.flavour == "constate":
        assert cell.verdict is not Verdict.BROKEN, cell.reason
    if cell.verdict in (Verdict.BROKEN, Verdict.LIMITED):
        assert cell.link, f"broken without a reason and a link in reasons.toml: {cell.reason}"
