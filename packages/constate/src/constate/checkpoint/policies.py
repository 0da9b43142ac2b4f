"""What a file says of its entries beside their bits: what each is for, whether it is saved, whether a cast touches it.

In the metadata stands one text for all entries, with one character for each: twenty thousand entries cost twenty
thousand bytes. What nobody knows is not said.
"""

from __future__ import annotations

import json
import string
from collections.abc import Collection, Iterable, Mapping
from itertools import filterfalse
from pathlib import Path
from typing import Any, NamedTuple

from constate.checkpoint.layout import CheckpointError
from constate.errors import UsageError, nearest
from constate.state import Entry, Kind

SYMBOLS = string.ascii_letters + string.digits
"""One for each policy that occurs; there are 48."""
KINDS = {str(kind): kind for kind in Kind}


class Policy(NamedTuple):
    """What is known of an entry."""

    kind: Kind | None = None
    """``None``: not known."""
    persistent: bool = True
    """Whether it is saved unless one asks for it."""
    cast: bool | None = None
    """Whether a cast of the module to another float type touches it. ``None``: not known."""


UNKNOWN = Policy()
Policies = Mapping[str, Policy | Entry]


def encode(entries: Policies, names: Mapping[str, object]) -> str:
    """The text for the metadata of a file with these names, in its order; empty where nothing is known.

    Raises:
        CheckpointError: an entry is said to be saved and is not among the names.
    """
    stored = [entries.get(name, UNKNOWN) for name in names]
    beside = {name: entries[name] for name in sorted(filterfalse(names.__contains__, entries))}
    if lost := [name for name, policy in beside.items() if policy.persistent]:
        raise CheckpointError(f"{lost[0]}: found no array of this name, expected one for an entry that is persistent")
    symbols: dict[int, str] = {}
    known: dict[Policy, str] = {}
    for policy in dict(zip(map(id, every := (*stored, *beside.values())), every, strict=True)).values():
        plain = Policy(policy.kind, policy.persistent, policy.cast)
        symbols[id(policy)] = known.setdefault(plain, SYMBOLS[len(known)])
    if not known.keys() - {UNKNOWN}:
        return ""
    found: dict[str, Any] = {
        "policies": {symbol: _said(policy) for policy, symbol in known.items()},
        "entries": "".join(map(symbols.__getitem__, map(id, stored))),
    }
    if beside:
        found["unsaved"] = {name: symbols[id(policy)] for name, policy in beside.items()}
    return json.dumps(found, separators=(",", ": "))  # with no space, `layout` reads the header in twice the time


def decode(path: Path, text: str, names: Collection[str]) -> dict[str, Policy]:
    """What ``encode`` was given: of every entry that is in the file, and of those that are known not to be.

    Raises:
        CheckpointError: it is no such text, or one for other entries.
    """
    if not text:
        return {}
    try:
        found = json.loads(text)
        policies = {symbol: _policy(said) for symbol, said in found["policies"].items()}
        stored, beside = found["entries"], found.get("unsaved", {})
        if type(stored) is not str or len(stored) != len(names):
            raise ValueError(f"it is for {len(stored)} entries, expected {len(names)}")
        known = dict(zip(names, map(policies.__getitem__, stored), strict=True))
        return known | {name: policies[symbol] for name, symbol in beside.items() if name not in known}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: what it says of its entries cannot be read: {error!s:.200}") from error


def summary(policies: Iterable[Policy]) -> str:
    """``parameter 12, statistic 2, not known 1``."""
    counts: dict[str, int] = {}
    for policy in policies:
        word = policy.kind or "not known"
        counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{word} {number:,}" for word, number in ranked)


def kinds_of(missing: Collection[str]) -> frozenset[Kind]:
    """Kinds by their names, one or several.

    Raises:
        UsageError: there is no such kind.
    """
    words = (missing,) if isinstance(missing, str) else missing
    for word in words:
        if word not in KINDS:
            raise UsageError(f"missing: found the kind {word!r}{nearest(str(word), KINDS)}; nothing was changed")
    return frozenset(KINDS[word] for word in words)


def _said(policy: Policy) -> dict[str, Any]:
    said: dict[str, Any] = {} if policy.kind is None else {"kind": str(policy.kind)}
    if not policy.persistent:
        said["persistent"] = False
    if policy.cast is not None:
        said["cast"] = policy.cast
    return said


def _policy(said: Mapping[str, Any]) -> Policy:
    """A kind that only a later version knows is not known."""
    policy = Policy(KINDS.get(said.get("kind", "")), said.get("persistent", True), said.get("cast"))
    if type(policy.persistent) is not bool or policy.cast not in (None, True, False):
        raise ValueError("a policy is neither true nor false")
    return policy
