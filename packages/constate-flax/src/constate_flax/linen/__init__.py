"""constate for Flax Linen: verbs for the ``variables`` of any ``linen.Module`` that do what Linen's own get wrong."""

from __future__ import annotations

from constate_flax.linen.verbs import Optimizer, assign, cast, load, register, save

__all__ = ["Optimizer", "assign", "cast", "load", "register", "save"]
