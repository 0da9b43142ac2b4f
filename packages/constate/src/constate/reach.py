"""Which arrays an object holds, wherever it keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


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
    if isinstance(item, (str, bytes, int, float, complex, type, type(None))) or (
        callable(item) and not hasattr(item, "__dict__")
    ):
        return
    if isinstance(item, Mapping):
        for key, value in item.items():
            yield f"{path}[{key!r}]", value
    elif isinstance(item, (list, tuple, set, frozenset)):
        for index, value in enumerate(item):
            yield f"{path}[{index}]", value
    if type(item).__module__ in {"builtins", "types", "functools"}:
        return
    for name, value in getattr(item, "__dict__", {}).items():
        yield (f"{path}.{name}" if path else name), value
