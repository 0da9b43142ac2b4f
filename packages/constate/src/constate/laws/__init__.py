"""The contract: one file a chapter, one function a law."""

from __future__ import annotations

from constate.laws import compilation, gradients, interchange, modes, names, persistence, placement
from constate.laws.law import CHAPTERS, LAWS, Broken, Law, NotApplicable, Untested, get_law

_ORDER = list(CHAPTERS)
_sorted = sorted(LAWS.items(), key=lambda item: (_ORDER.index(item[0][0]), item[0]))
LAWS.clear()
LAWS.update(_sorted)

__all__ = [
    "CHAPTERS",
    "LAWS",
    "Broken",
    "Law",
    "NotApplicable",
    "Untested",
    "compilation",
    "get_law",
    "gradients",
    "interchange",
    "modes",
    "names",
    "persistence",
    "placement",
]  # fmt: skip
