"""What classes are built with that need arguments: a TOML file with a table a class.

::

    ["pkg.layers:Attention"]            # or the class name alone
    kwargs = { dim = 16, activation = { object = "torch.nn:GELU" }, rngs = { call = "flax.nnx:Rngs", args = [0] } }
    inputs = ["f32[2,8,16]"]

``{ object = "pkg.mod:name" }`` stands for what is found there, and with ``call`` for what calling it gives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constate.auditing.tables import read, require_keys
from constate.auditing.targets import find
from constate.errors import UsageError, nearest
from constate.instruments.inputs import parse_all


@dataclass(frozen=True)
class Arguments:
    """What one class is built and called with."""

    kwargs: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] | None = None


def load(path: Path) -> dict[str, Arguments]:
    """The rows of a file, by class. Raises ``UsageError`` where it or an input in it cannot be read."""
    _, data = read(path, "table of arguments")
    found = {}
    for name, row in data.items():
        where = f"table of arguments {path}, {name}"
        if not isinstance(row, dict):
            raise UsageError(f'{where}: found {row!r}, expected a table: ["{name}"] with kwargs and inputs')
        require_keys(where, row, ("kwargs", "inputs"))
        kwargs, inputs = row.get("kwargs", {}), row.get("inputs")
        if not isinstance(kwargs, dict):
            raise UsageError(f"{where}: found kwargs = {kwargs!r}, expected a table of names and values")
        if inputs is not None:
            if not isinstance(inputs, list) or not all(isinstance(text, str) for text in inputs):
                raise UsageError(f'{where}: found inputs = {inputs!r}, expected a list such as ["f32[8,16]"]')
            try:
                parse_all(inputs)
            except UsageError as error:
                raise UsageError(f"{where}: {error}") from None
        found[name] = Arguments(kwargs, None if inputs is None else tuple(inputs))
    return found


def chosen(table: Mapping[str, Arguments], target: str) -> Arguments | None:
    """The row of a target, by its whole name or by the name of its class."""
    name = target.rpartition(":")[2]
    return table.get(target, table.get(name))


def require_used(path: Path, table: Mapping[str, Arguments], targets: Iterable[str]) -> None:
    """Raise ``UsageError`` for a row of no target."""
    known = list(targets)
    names = [*known, *(target.rpartition(":")[2] for target in known)]
    for name in table:
        if name not in names:
            raise UsageError(f"table of arguments {path}: there is no class {name!r}{nearest(name, known)}")


def bound(factory: Callable[..., Any], kwargs: Mapping[str, Any]) -> Callable[[], Any]:
    """The factory with its arguments, those that are called made anew for every instance."""

    return functools.partial(_built, factory, kwargs)


def _built(factory: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
    return factory(**{name: made(value) for name, value in kwargs.items()})


def made(value: Any) -> Any:
    """A value of the table, with the objects that it names."""
    if isinstance(value, list):
        return [made(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"object"}:
        return find(value["object"])
    if "call" in value and set(value) <= {"call", "args", "kwargs"}:
        given = {name: made(item) for name, item in value.get("kwargs", {}).items()}
        return find(value["call"])(*map(made, value.get("args", [])), **given)
    return {name: made(item) for name, item in value.items()}
