"""Tests that need no framework."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says nothing on a machine that does other things as well.
hypothesis.settings.register_profile("constate", deadline=None)
hypothesis.settings.load_profile("constate")

FAKE = Path(__file__).parent / "fake"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def fake_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed backend, here and in worker processes, whose workers die, hang and chatter."""
    monkeypatch.syspath_prepend(str(FAKE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(FAKE), os.environ.get("PYTHONPATH", "")])))
