"""What an object holds, wherever it keeps it: attributes, containers, helper objects, closures, globals.

The walk reads ``__dict__`` and slots and never asks for an attribute, so that no property and no ``__getattr__`` of
the user's runs.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from constate.instruments import sources

LIMIT = 500_000
"""How many objects a walk visits at the most."""

WALKED = frozenset({"__main__", "builtins", "collections", "functools", "types"})
"""The parts of the standard library whose objects are entered."""

Put = Callable[[Any], None]


@dataclass(frozen=True)
class Holding:
    """One value in one place."""

    path: str
    value: Any
    owner: Any
    """The class whose source makes it, or the function or module that holds it."""
    name: str
    """The attribute of the owner that leads to it."""
    put: Put
    """Puts another value in its place."""
    shared: bool = False
    """Held by a class or a module, not by the instance."""

    @property
    def source(self) -> str:
        """``file:line`` of where it is made."""
        if isinstance(self.owner, type):
            return sources.line_of(self.owner, self.name)
        if isinstance(self.owner, FunctionType):
            return sources.function_line(self.owner)
        return sources.global_line(str(self.owner), self.name)


@dataclass(frozen=True)
class Part:
    """One step of a walk: a value, with what leads to it."""

    suffix: str
    value: Any
    put: Put
    owner: Any = None
    """The class that makes it; that of the item above where there is none."""
    name: str = ""
    shared: bool = False


@dataclass(frozen=True)
class Walk:
    """How to walk through the objects of a framework."""

    is_leaf: Callable[[object], bool]
    """Whether it is an array or a variable of the framework."""
    parts: Callable[[Any], Iterator[Part] | None]
    """The parts of an object of the framework, such as a module without its registered state; ``None`` for objects
    that are walked like all others."""
    internals: frozenset[str]
    """Packages whose objects are not entered, unless ``parts`` knows them."""

    def holdings(self, root: object) -> Iterator[Holding]:
        """Every array, NumPy array and number, and every list, dict, set or deque, once for each object."""
        seen: set[int] = set()
        classes: set[type] = set()
        waiting: list[tuple[str, Any, Any, str, Put, bool]] = [("", root, type(root), "", _nowhere, False)]
        while waiting and len(seen) < LIMIT:
            path, item, owner, name, put, shared = waiting.pop()
            if shared and isinstance(owner, type) and isinstance(item, owner):
                continue  # a class that keeps a list of its instances
            number = isinstance(item, (bool, int, float, complex, np.generic))
            if not number and id(item) in seen:
                continue
            seen.add(id(item))
            if number or isinstance(item, np.ndarray) or self.is_leaf(item):
                yield Holding(path.removeprefix("."), item, owner, name, put, shared)
                continue
            if isinstance(item, (list, dict, set, deque)) and path:
                yield Holding(path.removeprefix("."), item, owner, name, put, shared)
            parts = list(self._parts(item)) if type(item) is not tuple else list(_tuple_parts(item, put))
            if type(item) not in classes:
                classes.add(type(item))
                parts += class_parts(item, self._internal)
            for part in reversed(parts):
                of = part.owner or owner
                label = part.name or name
                waiting.append((path + part.suffix, part.value, of, label, part.put, shared or part.shared))

    def _parts(self, item: Any) -> Iterator[Part]:
        if item is None or isinstance(item, (str, bytes, type, ModuleType, BuiltinFunctionType, CodeType)):
            return
        known = self.parts(item)
        if known is not None:
            yield from known
        elif isinstance(item, dict):
            for key in list(dict.keys(item)):
                yield Part(f"[{key!r}]", dict.__getitem__(item, key), functools.partial(_set_item, item, key))
        elif isinstance(item, (list, deque)):
            for index, value in enumerate(list(item)):
                yield Part(f"[{index}]", value, functools.partial(_set_item, item, index))
        elif isinstance(item, (tuple, set, frozenset)):
            for index, value in enumerate(tuple(item)):
                yield Part(f"[{index}]", value, _nowhere)
        elif isinstance(item, Mapping):
            return
        elif isinstance(item, functools.partial):
            yield Part(".func", item.func, _nowhere)
            yield Part(".args", item.args, _nowhere)
            yield Part(".keywords", item.keywords, _nowhere)
        elif isinstance(item, MethodType):
            yield Part(".__self__", item.__self__, _nowhere)
            yield Part("", item.__func__, _nowhere)
        elif isinstance(item, FunctionType):
            if not self._internal(item.__module__):
                yield from function_parts(item)
        elif isinstance(item, functools._lru_cache_wrapper):
            yield Part("", item.__wrapped__, _nowhere)
        elif not self._internal(type(item).__module__):
            yield from attributes(item)

    def _internal(self, module: str | None) -> bool:
        top = (module or "").partition(".")[0]
        return top in self.internals or (top in sys.stdlib_module_names and top not in WALKED)


def _tuple_parts(item: tuple[Any, ...], put: Put) -> Iterator[Part]:
    """The elements of a tuple; one is changed by putting another tuple in the place of all."""
    now = list(item)

    def change(index: int, value: Any) -> None:
        now[index] = value
        put(tuple(now))

    for index, value in enumerate(item):
        yield Part(f"[{index}]", value, functools.partial(change, index))


def attributes(item: Any, leave: frozenset[str] = frozenset()) -> Iterator[Part]:
    """The attributes of an object, of its slots and of its class, and what its methods close over."""
    own: dict[str, Any] = {}
    try:
        own = dict(object.__getattribute__(item, "__dict__"))
    except Exception:  # an object without one, or one that makes it by a property
        own = {}
    for name, value in own.items():
        if name not in leave:
            put = functools.partial(_set_attribute, item, name)
            yield Part(f".{name}", value, put, owner=type(item), name=str(name))
    for cls in type(item).__mro__:
        for name, member in list(vars(cls).items()):
            if isinstance(member, MemberDescriptorType) and name not in leave:
                try:
                    value = member.__get__(item)
                except Exception:  # an empty slot
                    continue
                yield Part(
                    f".{name}", value, functools.partial(_set_attribute, item, name), owner=type(item), name=name
                )


def class_parts(item: Any, internal: Callable[[str | None], bool]) -> Iterator[Part]:
    """What the classes of an object hold, and the globals and closures that their methods use."""
    for cls in type(item).__mro__:
        if internal(cls.__module__) or cls.__module__.partition(".")[0] in sys.stdlib_module_names:
            continue
        for name, member in list(vars(cls).items()):
            function = _function(member)
            if function is not None:
                yield from function_parts(function)
            elif name.startswith("__") and name.endswith("__"):
                continue
            elif not isinstance(member, (property, type, MemberDescriptorType)) and not hasattr(member, "__get__"):
                put = functools.partial(setattr, cls, name)
                yield Part(f".{name}", member, put, owner=cls, name=name, shared=True)


def function_parts(function: FunctionType) -> Iterator[Part]:
    """What a function closes over, its defaults, and the globals that its code names."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name == "__class__":
            continue
        try:
            value = cell.cell_contents
        except ValueError:
            continue
        put = functools.partial(setattr, cell, "cell_contents")
        yield Part(f".{function.__name__}.<closure>.{name}", value, put, owner=function, name=name, shared=True)
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield Part(f".{function.__name__}.<default>", value, _nowhere, owner=function, name="", shared=True)
    for name in _names(function.__code__):
        if name in function.__globals__:
            value = function.__globals__[name]
            if isinstance(value, (ModuleType, type)) or (
                isinstance(value, FunctionType) and value.__module__ != function.__module__
            ):
                continue
            put = functools.partial(_set_item, function.__globals__, name)
            owner = function.__globals__.get("__name__", "")
            yield Part(f".<global>.{name}", value, put, owner=owner, name=name, shared=True)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _function(member: Any) -> FunctionType | None:
    if isinstance(member, (staticmethod, classmethod)):
        member = member.__func__
    if isinstance(member, property):
        member = member.fget
    # A function in a wrapper: functools.lru_cache, and what jit and tf.function make of a method.
    wrapped = None if isinstance(member, type) else inspect.getattr_static(member, "__wrapped__", None)
    if isinstance(wrapped, FunctionType):
        member = wrapped
    return member if isinstance(member, FunctionType) else None


def _nowhere(value: Any) -> None:
    raise TypeError("this place cannot be written")


def _set_item(container: Any, key: Any, value: Any) -> None:
    container[key] = value


def _set_attribute(item: Any, name: str, value: Any) -> None:
    object.__setattr__(item, name, value)
