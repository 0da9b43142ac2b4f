"""The classes of modules that a package defines, found in a process of its own, which its imports may end."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from constate.auditing.importing import importable_here, imported
from constate.auditing.targets import is_module_class, required
from constate.errors import UsageError
from constate.workers import Worker, WorkerLost


@dataclass
class Discovery:
    """What there is in a package."""

    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By ``pkg.mod:Class``: the arguments that it cannot be made without."""
    unimported: dict[str, str] = field(default_factory=dict)
    """By module: why it cannot be imported."""


def discover(
    package: str, worker: Worker, limit: float, report: Callable[[str, int, int], None] = lambda name, done, total: None
) -> Discovery:
    """Import every module of a package and list what classes of modules each defines.

    Args:
        package: a dotted name, also of a single module.
        worker: an auditing worker, which this closes. It is started again where an import ends it.
        limit: seconds for one import.
        report: called with a module before it is imported, and how many are done of how many.

    Raises:
        UsageError: there is no such package, it cannot be imported, or defines no class of a module.
    """
    found = Discovery()
    try:
        names = _ask(worker, limit, do="modules", package=package)["modules"]
        for number, name in enumerate(names):
            report(name, number, len(names))
            try:
                rows = _ask(worker, limit, do="classes", module=name)["classes"]
            except UsageError as error:
                found.unimported[name] = (
                    str(error).removeprefix(f"{name} ").removeprefix("fails while it is imported: ")
                )
                continue
            found.classes |= {f"{name}:{row['name']}": tuple(row["needs"]) for row in rows}
    finally:
        worker.stop()
    if not found.classes:
        what = f"; {len(found.unimported)} of its modules cannot be imported" if found.unimported else ""
        first = next((f": {name}: {why}" for name, why in found.unimported.items()), "")
        raise UsageError(f"{package} defines no class of a module of an installed framework{what}{first}")
    return found


def _ask(worker: Worker, limit: float, **request: Any) -> dict[str, Any]:
    try:
        answer = worker.ask(request, limit)
    except WorkerLost as error:
        raise UsageError(f"while it was imported, {error}") from None
    if "error" in answer:
        raise UsageError(answer["error"])
    return answer


def modules_of(package: str) -> list[str]:
    """The names of a package and of all modules in it, of which only the packages above it are imported."""
    importable_here()
    parent = package.rpartition(".")[0]
    if parent:
        imported(parent, partial(importlib.import_module, parent))
    spec = importlib.util.find_spec(package)
    if spec is None:
        imported(package, partial(importlib.import_module, package))  # raises, and says what there is instead
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return [package, *_within(package, folders)]


def _within(package: str, folders: list[str]) -> Iterator[str]:
    for found in sorted(pkgutil.iter_modules(folders), key=lambda module: module.name):
        if found.name == "__main__":  # importing it runs the program
            continue
        yield f"{package}.{found.name}"
        if found.ispkg:
            folder = Path(getattr(found.module_finder, "path", ""), found.name)
            yield from _within(f"{package}.{found.name}", [str(folder)])


def classes_of(module: ModuleType) -> list[dict[str, Any]]:
    """The classes of modules that a Python module defines, in the order of its source, with the arguments they need."""
    found = []
    for name, item in vars(module).items():
        own = isinstance(item, type) and item.__module__ == module.__name__ and item.__name__ == name
        if own and is_module_class(item) and not inspect.isabstract(item):
            found.append({"name": name, "needs": required(item)})
    return found
