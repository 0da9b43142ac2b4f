"""Which arrays an object holds, wherever it keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

CLOSED = (str, bytes, int, float, complex, type, BuiltinFunctionType, FunctionType, MethodType, ModuleType)
"""What is not entered."""


def arrays_within(root: object, is_array: Callable[[object], bool]) -> Iterator[tuple[str, Any]]:
    """Every array reachable from ``root`` through attributes, mappings, lists, tuples and sets, with a path such as
    ``layers[0].cache['key']``. Classes, modules and functions are not entered; nothing is visited twice."""
    seen: set[int] = set()
    stack: list[tuple[str, object]] = [("", root)]
    while stack:
        path, item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if is_array(item):
            yield path, item
        else:
            stack.extend(reversed(list(_parts(path, item))))


def _parts(path: str, item: object) -> Iterator[tuple[str, object]]:
    if isinstance(item, CLOSED) or item is None:
        return
    if isinstance(item, Mapping):
        for key, value in item.items():
            yield f"{path}[{key!r}]", value
    elif isinstance(item, (list, tuple, set, frozenset)):
        for index, value in enumerate(item):
            yield f"{path}[{index}]", value
    for name, value in getattr(item, "__dict__", {}).items():
        yield (f"{path}.{name}" if path else name), value
