"""What it takes to plant a defect: a backend with one verb that misbehaves, or with a module of its own."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from constate.backend import Backend, Handle
from constate.state import flip_bits

Base = type[Backend]


@dataclass(frozen=True)
class Mutant:
    """One planted defect."""

    law: str
    module: str
    name: str
    wrap: Callable[[Any], Any]


MUTANTS: list[Mutant] = []


def mutant(*laws: str, module: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Enter a defect that these laws have to catch on this module."""

    def enter(wrap: Callable[[Any], Any]) -> Callable[[Any], Any]:
        MUTANTS.extend(Mutant(law, module, wrap.__name__, wrap) for law in laws)
        return wrap

    return enter


def in_place(old: Handle, new: Handle) -> None:
    """Make a functional change one that the caller's own handle sees."""
    if old is not new and dataclasses.is_dataclass(old):
        for field in dataclasses.fields(old):
            object.__setattr__(old, field.name, getattr(new, field.name))


def spoil(backend: Backend, handle: Handle, paths: Sequence[str]) -> Handle:
    """Change bits of entries."""
    for path in paths:
        handle = backend.write(handle, path, flip_bits(backend.read(handle, path)))
    return handle


def _with_module(base: Base, cls: str) -> Base:
    class Mutated(base):
        def module_class(self, module: str) -> type[Any]:
            found: type[Any] = getattr(importlib.import_module(f"mutants.{self.name.replace('-', '_')}"), cls)
            return found

    return Mutated
