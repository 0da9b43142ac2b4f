"""What a hazard is: how an audit tries one law on a user's module."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from constate.auditing.audit import Audit
from constate.auditing.finding import Finding
from constate.errors import UsageError, nearest

Search: TypeAlias = Callable[[Audit], Iterator[Finding]]


@dataclass(frozen=True)
class Hazard:
    """How one law is tried on any module."""

    code: str
    search: Search
    fine: str
    """When what it looks for is not a problem."""
    values: bool
    """Whether it needs an instance with memory."""
    alone: bool
    """Whether it runs only when it is asked for, because it starts processes."""

    @property
    def how(self) -> str:
        """What it looks for, by running what, and how severe that is."""
        return inspect.cleandoc(self.search.__doc__ or "")


HAZARDS: dict[str, Hazard] = {}


def hazard(code: str, *, fine: str, values: bool = True, alone: bool = False) -> Callable[[Search], Search]:
    """Make a function the search for what breaks a law. It yields findings, and raises ``NotApplicable`` or
    ``Untested`` where it could not be tried; whatever else it raises makes the law ``untested`` as well."""

    def enter(search: Search) -> Search:
        if code in HAZARDS:
            raise ValueError(f"two searches for the law {code}")
        HAZARDS[code] = Hazard(code, search, " ".join(fine.split()), values, alone)
        return search

    return enter


def get_hazard(code: str) -> Hazard:
    """The search for that law. Raises ``UsageError`` for a law that an audit does not try."""
    if code.upper() not in HAZARDS:
        raise UsageError(f"no law {code!r} that can be checked on a module{nearest(code.upper(), HAZARDS)}")
    return HAZARDS[code.upper()]
