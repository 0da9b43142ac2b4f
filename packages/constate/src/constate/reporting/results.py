"""The one data model of every report."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constate.verdicts import Cell, Verdict


@dataclass(frozen=True)
class Counts:
    """How many cells held, out of how many that applied, and how many of these were not run."""

    held: int
    applicable: int
    not_run: int

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> Counts:
        """The counts of some cells."""
        found = Counter(cell.verdict for cell in cells)
        return cls(found[Verdict.HOLDS], found.total() - found[Verdict.NOT_APPLICABLE], found[Verdict.UNTESTED])

    def __str__(self) -> str:
        return f"{self.held}/{self.applicable}" + (f" ({self.not_run} not run)" if self.not_run else "")


@dataclass(frozen=True)
class Results:
    """What a run found, on what, and when."""

    versions: Mapping[str, Mapping[str, str]]
    """By backend: what it ran on."""
    machine: Mapping[str, str]
    date: str
    cells: tuple[Cell, ...]

    def to_json(self) -> str:
        """The text of ``results.json``."""
        data = {
            "versions": self.versions,
            "machine": self.machine,
            "date": self.date,
            "cells": [cell.to_json() for cell in self.cells],
        }
        return json.dumps(data, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Results:
        """The inverse of ``to_json``."""
        data: dict[str, Any] = json.loads(text)
        cells = tuple(map(Cell.from_json, data["cells"]))
        return cls(data["versions"], data["machine"], data["date"], cells)


def machine() -> dict[str, str]:
    """What the run ran on, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "python": platform.python_version(),
    }


def _processor() -> str:
    source = Path("/proc/cpuinfo")
    if source.exists():
        for line in source.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
