"""Imports of a factory are executed outside of what the factory is run in."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import pytest

from constate.instruments.imports import imports_in

where: ContextVar[str] = ContextVar("where", default="ordinary")


@contextmanager
def at(place: str) -> Iterator[None]:
    token = where.set(place)
    try:
        yield
    finally:
        where.reset(token)


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = f"late_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(f"from {__name__} import where\nPLACE = where.get()\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_a_first_import_is_executed_in_the_context_and_the_rest_is_not(late: str) -> None:
    with at("trace"), imports_in(lambda: at("outside")):
        module = importlib.import_module(late)
        assert where.get() == "trace"
    assert module.PLACE == "outside"


def test_afterwards_imports_are_as_they_were(late: str) -> None:
    with pytest.raises(ZeroDivisionError), imports_in(lambda: at("outside")):
        raise ZeroDivisionError
    assert importlib.import_module(late).PLACE == "ordinary"
