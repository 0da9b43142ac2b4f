"""What a law is, and how it says what it found."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from constate.errors import Broken, Unsupported, UsageError, nearest
from constate.state import Array, describe, same_bits
from constate.subject import Subject

Level: TypeAlias = Literal["must", "should"]
Check: TypeAlias = Callable[[Subject], str]

CHAPTERS = {
    "P": "Persistence",
    "D": "Placement",
    "G": "Gradients",
    "C": "Compilation",
    "N": "Names",
    "M": "Modes",
    "S": "Sharding",
    "X": "Interchange",
}


class NotApplicable(Exception):
    """The module has nothing that the law speaks of."""


class Untested(Exception):
    """The law could not be tried."""


@dataclass(frozen=True)
class Law:
    """One clause of the contract."""

    code: str
    title: str
    level: Level
    reports: tuple[str, ...]
    """Links to real reports of what happens where the law does not hold."""
    per_format: bool
    check: Check

    @property
    def sentence(self) -> str:
        """The law, in one sentence."""
        return inspect.cleandoc(self.check.__doc__ or "").split("\n\n")[0].replace("\n", " ")

    @property
    def why(self) -> str:
        """Why it is a law, and how it is checked."""
        return "\n\n".join(inspect.cleandoc(self.check.__doc__ or "").split("\n\n")[1:])

    @property
    def chapter(self) -> str:
        """The name of the law's chapter."""
        return CHAPTERS[self.code[0]]


LAWS: dict[str, Law] = {}


def law(
    code: str, title: str, *, level: Level = "must", per_format: bool = False, reports: Iterable[str] = ()
) -> Callable[[Check], Check]:
    """Make a function a law. It takes a subject, returns what it found where the law holds, and raises ``Broken``,
    ``NotApplicable`` or ``Untested``; its docstring is the sentence of the law and, after a blank line, the reason."""

    def enter(check: Check) -> Check:
        if code in LAWS:
            raise ValueError(f"two laws have the code {code}")
        LAWS[code] = Law(code, title, level, tuple(reports), per_format, check)
        return check

    return enter


def get_law(code: str) -> Law:
    """The law of that code. Raises ``UsageError`` for an unknown code."""
    if code.upper() not in LAWS:
        raise UsageError(f"unknown law {code!r}{nearest(code.upper(), LAWS)}")
    return LAWS[code.upper()]


def attempt(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Exception | None]:
    """What the call returns, or the exception by which it refused."""
    try:
        return call(*args, **kwargs), None
    except Unsupported:
        raise
    except Exception as error:  # a refusal may be of any type: what counts is that there is one
        return None, error


def require(faults: Iterable[str], expected: str) -> str:
    """What was expected, which is what was found unless there are any faults: then ``Broken``."""
    found = list(faults)
    if found:
        shown = "; ".join(found[:8])
        raise Broken(f"{shown}; and {len(found) - 8} more" if len(found) > 8 else shown, expected)
    return expected


def differing(found: Mapping[str, Array], expected: Mapping[str, Array]) -> list[str]:
    """One line for every entry of ``expected`` that is missing from ``found`` or has other bits there."""
    return [
        f"{path}: {'missing' if path not in found else difference(found[path], value)}"
        for path, value in expected.items()
        if path not in found or not same_bits(found[path], value)
    ]


def difference(found: Array, expected: Array) -> str:
    """In what two arrays differ."""
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return f"{describe(found)} instead of {describe(expected)}"
    raw = [np.frombuffer(a.tobytes(), np.uint8).reshape(a.size, -1) for a in (found, expected)]
    changed = int((raw[0] != raw[1]).any(axis=1).sum())
    return f"{changed} of {found.size} values of {describe(found)} have other bits"


def distance(found: Array, expected: Array) -> float:
    """The largest absolute difference; infinite for another shape or a NaN."""
    if found.shape != expected.shape:
        return float("inf")
    if not found.size:
        return 0.0
    largest = float(np.max(np.abs(found.astype(np.float64) - expected.astype(np.float64))))
    return largest if np.isfinite(largest) else float("inf")
