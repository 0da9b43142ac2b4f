"""Where in its author's source an attribute is made."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any


def line_of(owner: type, name: str) -> str:
    """``file:line`` of the first line of a class, or of its bases, that makes the attribute or entry ``name``: by
    ``self.name = ...``, as a field, or by a call with the name as a string. Else of the class; empty without source."""
    for cls in owner.__mro__:
        if cls is not object and (line := _lines(cls).get(name)):
            return f"{_file(cls)}:{line}"
    first = _first_line(owner)
    return f"{_file(owner)}:{first}" if first else ""


def assigned_in(owner: type, name: str) -> tuple[str, str]:
    """A method other than ``__init__`` that assigns ``self.name`` something else than ``None``, and ``file:line`` of
    that; two empty texts where there is none."""
    for cls in owner.__mro__:
        tree = _tree(cls) if cls is not object else None
        for method in tree.body if tree else ():
            if isinstance(method, ast.FunctionDef) and method.name != "__init__":
                for node in ast.walk(method):
                    if isinstance(node, ast.Assign) and name in _attributes(node) and not _is_none(node.value):
                        return f"{method.name}()", f"{_file(cls)}:{node.lineno}"
    return "", ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def global_line(module: str, name: str) -> str:
    """``file:line`` of the assignment of a global name."""
    found = sys.modules.get(module)
    path = getattr(found, "__file__", None)
    if path is None:
        return ""
    for node in _parsed(path).body:
        targets = list(node.targets) if isinstance(node, ast.Assign) else []
        targets += [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return f"{shown(path)}:{node.lineno}"
    return f"{shown(path)}:1"


def function_line(function: FunctionType) -> str:
    """``file:line`` of a function."""
    return f"{shown(function.__code__.co_filename)}:{function.__code__.co_firstlineno}"


def shown(path: str) -> str:
    """A path relative to the working directory where it is below it."""
    try:
        return str(Path(path).resolve().relative_to(Path(os.getcwd()).resolve()))  # noqa: PTH109
    except (ValueError, OSError):
        return path


@lru_cache(maxsize=256)
def _parsed(path: str) -> ast.Module:
    try:
        return ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])


def _file(cls: type) -> str:
    try:
        return shown(inspect.getfile(cls))
    except (TypeError, OSError):
        return ""


def _tree(cls: type) -> ast.ClassDef | None:
    """The class in its file, found by its qualified name."""
    try:
        tree: Any = _parsed(inspect.getfile(cls))
    except (TypeError, OSError):
        return None
    for part in cls.__qualname__.replace(".<locals>", "").split("."):
        tree = next((n for n in ast.walk(tree) if _named(n, part)), None)
        if tree is None:
            return None
    return tree if isinstance(tree, ast.ClassDef) else None


def _named(node: ast.AST, name: str) -> bool:
    return isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name


def _first_line(cls: type) -> int:
    tree = _tree(cls)
    return tree.lineno if tree else 0


@lru_cache(maxsize=4096)
def _lines(cls: type) -> dict[str, int]:
    tree = _tree(cls)
    found: dict[str, int] = {}
    if tree is None:
        return found
    for node in ast.walk(tree):
        for name in _makes(node):
            line = getattr(node, "lineno", 0)
            found[name] = min(found.get(name, line), line)
    return found


def _targets(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[ast.expr]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]


def _attributes(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[str]:
    return [part.attr for part in _targets(node) if isinstance(part, ast.Attribute)]


def _makes(node: ast.AST) -> list[str]:
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return [*_attributes(node), *(part.id for part in _targets(node) if isinstance(part, ast.Name))]
    if isinstance(node, ast.Call):
        values = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "name")]
        return [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)]
    return []
