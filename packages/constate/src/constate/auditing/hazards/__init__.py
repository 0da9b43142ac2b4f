"""What an audit looks for: one file a chapter of the contract, one function a law."""

from __future__ import annotations

from importlib import import_module

from constate.auditing.hazards.hazard import HAZARDS, Hazard, get_hazard
from constate.laws import CHAPTERS

for _chapter in (
    "persistence",
    "building",
    "storing",
    "placement",
    "precision",
    "gradients",
    "growth",
    "compilation",
    "names",
    "modes",
    "sharding",
):
    import_module(f"constate.auditing.hazards.{_chapter}")
_in_order = dict(sorted(HAZARDS.items(), key=lambda item: (list(CHAPTERS).index(item[0][0]), item[0])))
HAZARDS.clear()
HAZARDS.update(_in_order)

__all__ = ["HAZARDS", "Hazard", "get_hazard"]
