"""The laws of placement on a device of one's choice."""

from __future__ import annotations

import pytest

from constate.backend import Backend
from constate.checking import run_cell
from constate.laws import LAWS
from constate.verdicts import Verdict

PLACED = ("D01", "D02", "D03")


@pytest.mark.parametrize("code", PLACED)
def test_a_device_that_is_there(backend: Backend, code: str) -> None:
    verdicts = {run_cell(backend, "batch_norm", code, device=device).verdict for device in (None, *backend.devices())}
    assert verdicts == {Verdict.HOLDS}


@pytest.mark.parametrize("code", PLACED)
def test_a_device_that_is_not_there(backend: Backend, code: str) -> None:
    cell = run_cell(backend, "batch_norm", code, device="nowhere:0")
    assert cell.verdict is Verdict.UNTESTED
    assert f"there is no device 'nowhere:0' here; there are {', '.join(backend.devices())}" in cell.reason


def test_other_laws_ask_for_no_device(backend: Backend) -> None:
    assert set(PLACED) < LAWS.keys()
    assert run_cell(backend, "batch_norm", "P01", device="nowhere:0").verdict is Verdict.HOLDS
