"""The contract: one file a chapter (persistence has two), one function a law."""

from __future__ import annotations

from importlib import import_module

from constate.laws.law import CHAPTERS, LAWS, Law, NotApplicable, Untested, get_law

# Importing a chapter enters its laws, in the order in which they stand in the contract.
for _chapter in (
    "persistence", "files", "placement", "gradients", "compilation", "names", "modes", "sharding", "interchange",
):  # fmt: skip
    import_module(f"constate.laws.{_chapter}")
_in_order = dict(sorted(LAWS.items(), key=lambda item: (list(CHAPTERS).index(item[0][0]), item[0])))
LAWS.clear()
LAWS.update(_in_order)

__all__ = ["CHAPTERS", "LAWS", "Law", "NotApplicable", "Untested", "get_law"]
