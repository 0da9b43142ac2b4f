"""The outcome of one law on one module of one backend, and the reasons that people write for it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any


class Verdict(StrEnum):
    """What running a law found."""

    HOLDS = "holds"
    BROKEN = "broken"
    LIMITED = "limited"
    """Broken, declared so with a reason and a link, and still tested."""
    NOT_APPLICABLE = "not-applicable"
    UNTESTED = "untested"
    """Could not be tried; never counted as held."""


@dataclass(frozen=True)
class Cell:
    """One law, on one module, in one backend and flavour, and for some laws in one format."""

    backend: str
    flavour: str
    module: str
    law: str
    format: str | None
    verdict: Verdict
    reason: str = ""
    """Why, in words of a person where there are any, else what was found."""
    link: str = ""
    found: str = ""
    expected: str = ""
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, str, str, str, str | None]:
        """What names the cell."""
        return self.backend, self.flavour, self.module, self.law, self.format

    @property
    def command(self) -> str:
        """The command that runs this cell again. A law of interchange is about all backends of a run."""
        backend = "" if self.law.startswith("X") else f" --backend {self.backend}"
        format = f" --format {self.format}" if self.format else ""
        return f"constate compare {self.module}{backend} --flavour {self.flavour} --law {self.law}{format}"

    def to_json(self) -> dict[str, Any]:
        """The cell as it stands in ``results.json``; ``format`` only where the law runs once per format."""
        found = asdict(self) | {"command": self.command}
        if self.format is None:
            del found["format"]
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Cell:
        """The inverse of ``to_json``."""
        known: dict[str, Any] = {name: data.get(name) for name in cls.__dataclass_fields__ if name != "verdict"}
        return cls(verdict=Verdict(data["verdict"]), **known)


@dataclass(frozen=True)
class Reason:
    """Why a framework breaks a law, or why one of ours is limited, as a person wrote it."""

    flavour: str
    laws: tuple[str, ...]
    text: str
    link: str
    modules: tuple[str, ...] = field(default=())
    formats: tuple[str, ...] = field(default=())

    def covers(self, cell: Cell) -> bool:
        """Whether this reason speaks of the cell."""
        return (
            cell.flavour == self.flavour
            and cell.law in self.laws
            and (not self.modules or cell.module in self.modules)
            and (not self.formats or cell.format in self.formats)
        )


def load_reasons(folder: Path) -> list[Reason]:
    """The rows of ``reasons.toml`` in the folder of a backend's package; none where there is no such file."""
    source = folder / "reasons.toml"
    if not source.is_file():
        return []
    rows: list[dict[str, Any]] = tomllib.loads(source.read_text(encoding="utf-8")).get("reason", [])
    return [_reason(**row) for row in rows]


def _reason(**row: Any) -> Reason:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Reason(**fields)


def settle(cell: Cell, reasons: Sequence[Reason]) -> Cell:
    """The cell with the reason that a person wrote for it. A broken cell of flavour ``constate`` that has one is
    limited."""
    if cell.verdict is not Verdict.BROKEN:
        return cell
    for reason in reasons:
        if reason.covers(cell):
            verdict = Verdict.BROKEN if cell.flavour == "native" else Verdict.LIMITED
            return replace(cell, verdict=verdict, reason=reason.text, link=reason.link)
    return cell
