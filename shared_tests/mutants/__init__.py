"""Backends with exactly one defect each, so that every law is seen to fail.

Most defects are a verb that misbehaves, wrapped around any backend and written once for all, in one file a chapter.
Where the defect lives in the module, there is a mutant module for each framework beside these files.
"""

from __future__ import annotations

from importlib import import_module

from mutants.planting import MUTANTS, Mutant

# Importing a chapter enters its mutants.
for _chapter in ("persistence", "placement", "gradients", "compilation", "names", "modes", "sharding", "interchange"):
    import_module(f"mutants.{_chapter}")

__all__ = ["MUTANTS", "Mutant"]
