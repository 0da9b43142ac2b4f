"""Importing what a user names, by its dotted name or by its path, and saying in one line why that fails."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
import zlib
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from constate.errors import UsageError, first_line, nearest

SHOWN = 12
"""How many names an error lists at the most."""


def importable_here() -> None:
    """Put the current folder on the path, as ``python -m`` does."""
    here = os.getcwd()  # noqa: PTH109
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def load(where: str) -> ModuleType:
    """The module of a dotted name or of a path, imported with the current folder on the path, as ``python -m`` does.

    Raises:
        UsageError: there is none, or it fails while it is imported.
    """
    importable_here()
    if where.endswith(".py") or os.sep in where:
        return _load_file(where)
    return imported(where, functools.partial(importlib.import_module, where))


def imported(name: str, importing: Callable[[], ModuleType]) -> ModuleType:
    """What an import gives; whatever it raises becomes a ``UsageError`` that says where."""
    try:
        return importing()
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise UsageError(_failure(name, error)) from error  # something that the module itself needs
        parent, _, child = missing.rpartition(".")
        if not parent:
            raise UsageError(
                f"there is no module {missing!r}: it is neither installed here ({sys.executable}) nor in {os.getcwd()}"  # noqa: PTH109
            ) from error
        path = getattr(sys.modules.get(parent), "__path__", None)
        if path is None:
            text = f"{parent} is a module and no package, so that there is no {missing!r} in it"
        else:
            there = [module.name for module in pkgutil.iter_modules(path)]
            text = f"the package {parent} has no module {child!r}{listed(child, there)}"
        raise UsageError(text) from error
    except SystemExit as error:
        raise UsageError(
            f"{name} ends the process while it is imported (SystemExit: {error.code}); keep what it runs as a script "
            "below: if __name__ == '__main__':"
        ) from error
    except Exception as error:
        raise UsageError(_failure(name, error)) from error


def _load_file(text: str) -> ModuleType:
    path = Path(text).resolve()
    if not path.is_file():
        raise UsageError(f"there is no file {text}")
    root, name = path.parent, path.stem
    while (root / "__init__.py").is_file():  # a file of a package is imported as such, for its relative imports
        root, name = root.parent, f"{root.name}.{name}"
    if name.endswith(".__init__"):
        name = name.removesuffix(".__init__")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))

    def importing() -> ModuleType:
        importlib.invalidate_caches()
        spec = _spec(name)
        if spec is not None and spec.origin is not None and Path(spec.origin).resolve() == path:
            return importlib.import_module(name)
        # A name that something else has already, or that is none: as a module of its own.
        alone = f"{path.stem.replace('.', '_')}_{zlib.crc32(str(path).encode()):x}"
        made = importlib.util.spec_from_file_location(alone, path)
        assert made is not None and made.loader is not None
        module = importlib.util.module_from_spec(made)
        sys.modules[alone] = module
        made.loader.exec_module(module)
        return module

    return imported(text, importing)


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # something that a parent package needs
        return None


def _failure(name: str, error: Exception) -> str:
    """Where an import fails, in the user's own file where it passed through it."""
    if isinstance(error, SyntaxError):
        where = f"{_short(error.filename)}:{error.lineno}"
        return f"{name} fails while it is imported: {type(error).__name__}: {error.msg} ({where})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    where = f" ({_short(own[-1].filename)}:{own[-1].lineno})" if own else ""
    return f"{name} fails while it is imported: {first_line(error)}{where}"


def _short(path: str | None) -> str:
    if path is None:
        return "?"
    shown = os.path.relpath(path)
    return path if shown.startswith("..") else shown


def listed(name: str, known: list[str]) -> str:
    """What was meant by a name that is not there, or what there is."""
    if not known:
        return "; there is nothing in it that could be called"
    near = nearest(name, known)
    return near if "did you mean" in near else nearest(name, known[:SHOWN]) + (", …" if len(known) > SHOWN else "")
