"""Refusals that the verbs of all backends have in common, in the same words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from constate.errors import Refused, nearest


def matching(patterns: Iterable[str], paths: Collection[str]) -> set[str]:
    """The paths that a pattern matches; case-sensitive, ``*`` also matches ``/``.

    Raises:
        Refused: a pattern matches nothing.
    """
    found: set[str] = set()
    for pattern in patterns:
        matched = {path for path in paths if fnmatchcase(path, pattern)}
        if not matched:
            raise Refused(f"keep: {pattern!r} matches no entry; found {', '.join(paths)}; nothing was changed")
        found |= matched
    return found


def require_entry(path: str, paths: Collection[str]) -> None:
    """Raise ``Refused`` unless there is such an entry."""
    if path not in paths:
        raise Refused(f"{path!r} is no entry{nearest(path, paths)}; nothing was changed")


def require_array(path: str, value: object, kind: type | tuple[type, ...]) -> None:
    """Raise ``Refused`` unless the value is an array of the framework."""
    if not isinstance(value, kind):
        raise Refused(f"{path}: found {type(value).__name__}, expected an array; nothing was changed")


def require_form(path: str, found: tuple[Sequence[int], object], expected: tuple[Sequence[int], object]) -> None:
    """Raise ``Refused`` unless shape and dtype are those of the entry."""
    if (tuple(found[0]), found[1]) != (tuple(expected[0]), expected[1]):
        is_, should = (f"{dtype}{list(shape)}" for shape, dtype in (found, expected))
        raise Refused(f"{path}: found {is_}, expected {should}; nothing was changed")
