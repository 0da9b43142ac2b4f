"""What a user names on the command line: ``pkg.mod:factory``, ``path/to/file.py:factory``."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from constate.auditing.importing import listed, load
from constate.auditing.recognising import GROUP
from constate.errors import UsageError


def split(target: str) -> tuple[str, str]:
    """The module or file, and the attribute. Raises ``UsageError`` where there is no colon with both sides."""
    module, _, attribute = target.rpartition(":")
    if not module or not attribute:
        raise UsageError(
            f"found the target {target!r}, expected a module and what makes the model in it, such as pkg.mod:build or "
            "path/to/file.py:build"
        )
    return module, attribute


def resolve(target: str) -> Callable[[], Any]:
    """The factory that a target names: something that makes a new module when it is called without arguments.

    Raises:
        UsageError: there is no such thing, its module fails while it is imported, or it cannot be called so.
    """
    factory: Callable[[], Any] = find(target)
    require_factory(target, factory)
    return factory


def find(target: str) -> Any:
    """The object that a target names. Raises ``UsageError`` where there is none."""
    where, attribute = split(target)
    found: Any = load(where)
    for number, name in enumerate(attribute.split(".")):
        if not hasattr(found, name):
            holder = ".".join([where, *attribute.split(".")[:number]])
            raise UsageError(f"{holder} has no {name!r}{_near(name, found)}")
        found = getattr(found, name)
    return found


def require_factory(target: str, found: Any) -> None:
    """Raise ``UsageError`` unless it makes a module when it is called without arguments."""
    cls = next(_framework_classes(found), None)
    if cls is not None:
        raise UsageError(
            f"{target} is an instance of {cls}, expected what makes a new one each time: a class, a function, a "
            "functools.partial"
        )
    if not callable(found):
        raise UsageError(f"{target} is {_a(found)}, expected a class or a function that makes a module")
    if needed := required(found):
        name = target.rpartition(":")[2]
        given = ", ".join(f"{argument}=..." for argument in needed)
        raise UsageError(
            f"{target} needs the argument{'s' * (len(needed) > 1)} {', '.join(needed)}; name what takes none, for "
            f"example: build = functools.partial({name}, {given})"
        )


def required(found: Callable[..., Any]) -> list[str]:
    """The arguments that a call must give, as far as the signature says; none where the only one is a seed that the
    instruments of its framework give."""
    asked: Any = found
    if isinstance(found, type) and type(found).__call__ is not type.__call__ and "__signature__" not in vars(found):
        # A metaclass that makes the instances hides what the constructor takes.
        asked = functools.partial(inspect.getattr_static(found, "__init__"), None)
    try:
        parameters = inspect.signature(asked).parameters.values()
    except (TypeError, ValueError):
        return []
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [] if len(needed) == 1 and needed[0] in _seeds(found) else needed


def _seeds(found: Callable[..., Any]) -> frozenset[str]:
    """The names of arguments that instruments give: those of a class, or of every framework that is imported."""
    points = entry_points(group=GROUP)
    while isinstance(found, functools.partial):
        found = found.func
    if isinstance(found, type):
        above = {dotted(cls) for cls in found.__mro__}
        loaded = [point.load() for point in points if point.name in above]
    else:
        loaded = [point.load() for point in points if point.name.partition(".")[0] in sys.modules]
    return frozenset[str]().union(*(getattr(instruments, "seeds", ()) for instruments in loaded))


def is_module_class(item: object) -> bool:
    """Whether it is a class of modules of a framework whose instruments are installed."""
    names = base_names()
    return isinstance(item, type) and dotted(item) not in names and any(dotted(cls) in names for cls in item.__mro__)


def base_names() -> set[str]:
    """The dotted names of the frameworks' base classes."""
    return {point.name for point in entry_points(group=GROUP) if "." in point.name}


def dotted(cls: type) -> str:
    """``package.module.Class``."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _framework_classes(item: object) -> Iterator[str]:
    names = base_names()
    yield from (type(item).__qualname__ for cls in type(item).__mro__ if dotted(cls) in names)


def _near(name: str, holder: Any) -> str:
    own = [key for key, value in vars(holder).items() if callable(value) and not key.startswith("_")]
    if isinstance(holder, ModuleType):  # what it defines before what it imports
        own.sort(key=lambda key: getattr(vars(holder)[key], "__module__", None) != holder.__name__)
    return listed(name, own)


def _a(found: object) -> str:
    name = type(found).__name__
    return "None" if found is None else f"a{'n' * (name[0] in 'aeiou')} {name}"
