"""What can go wrong, in one line each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConstateError(Exception):
    """Anything that this project refuses, with what was found, what was expected, and what to do."""


class UsageError(ConstateError):
    """The call cannot be carried out as it was written. The command line prints it and exits with 2."""


class Refused(ConstateError):
    """A verb refused to do what would have lost or mangled state; nothing was changed."""


class Unsupported(ConstateError):
    """The framework has no such verb.

    Args:
        reason: a sentence that a maintainer of the framework would accept.
        link: where the framework's own documentation or tracker says so.
    """

    def __init__(self, reason: str, link: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.link = link


class Broken(Exception):
    """A law does not hold: what was found, and what was expected."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"found {found}; expected {expected}")
        self.found = found
        self.expected = expected


def first_line(error: BaseException) -> str:
    """``TypeError: what it says``, cut to one line."""
    if isinstance(error, Broken):
        return error.found
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}{'…' if len(text) > 160 else ''}"


def printable(text: str) -> str:
    """Text that a file brought, in one line and without anything that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for a near miss, else the list of what there is."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of: {', '.join(names)}"
