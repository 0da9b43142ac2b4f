"""Imports that a factory makes only when it runs, kept out of what it is run in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any
from unittest import mock


@contextmanager
def imports_in(context: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Modules of Python that are imported for the first time meanwhile are executed in ``context()``.

    What a module makes when it is imported stays and belongs to no instance: without memory, or in a trace, it would
    be broken for all that come after.
    """
    execute = SourceFileLoader.exec_module

    @functools.wraps(execute)
    def executed(loader: SourceFileLoader, module: ModuleType) -> None:
        with context():
            execute(loader, module)

    with mock.patch.object(SourceFileLoader, "exec_module", executed):
        yield
