"""Entries that have got other names since they were saved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from constate.checkpoint.layout import CheckpointError
from constate.errors import nearest
from constate.state import SEPARATOR, Array

LOG = logging.getLogger("constate")


def renamed(path: str | Path, arrays: Mapping[str, Array], names: Mapping[str, str]) -> dict[str, Array]:
    """The entries of a file by their new names, in the same order. Every name that changes is logged at level INFO.

    Args:
        path: what to call the file.
        arrays: its entries.
        names: from an old name to the new one, ``{"fc/weight": "head/weight"}``; from one level to another where both
            end in ``/``, ``{"fc/": "head/"}`` (``""`` for the outermost). A longer old name goes before a shorter one.

    Raises:
        CheckpointError: an old name is in no entry, or two entries would have one name.
    """
    rules = _rules(names)
    used: set[str] = set()
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        old, after = _renamed(rules, name)
        used.add(old)
        if after in found:
            raise CheckpointError(f"{path}: {name}: another entry has the name {after} already; nothing was changed")
        if after != name:
            LOG.info("%s: %s is read as %s", path, name, after)
        found[after] = array
    for old in names.keys() - used:
        raise CheckpointError(f"{path}: {old}: found no entry of this name to rename{nearest(old, arrays)}")
    return found


def renamer(names: Mapping[str, str]) -> Callable[[str], str]:
    """What gives the new name for one of a file, which need not be that of an array."""
    rules = _rules(names)
    return lambda name: _renamed(rules, name)[1]


def _rules(names: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(names.items(), key=lambda rule: -len(rule[0]))


def _renamed(rules: list[tuple[str, str]], name: str) -> tuple[str, str]:
    """The old name of the rule that applies, and the new name."""
    old, new = next((rule for rule in rules if _applies(rule[0], name)), ("", ""))
    return old, new + name.removeprefix(old)


def _applies(old: str, name: str) -> bool:
    return name == old or (old.endswith(SEPARATOR) and name.startswith(old)) or old == ""
