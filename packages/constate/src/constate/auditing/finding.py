"""What an audit says of one entry under one law."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters."""

    FAIL = "fail"
    """The law is broken, shown by running."""
    WARN = "warn"
    """The law is broken, and there are good reasons to leave it so; a person has to look."""
    INFO = "info"
    """Worth knowing; the law is not broken."""


@dataclass(frozen=True)
class Finding:
    """One hazard."""

    law: str
    severity: Severity
    entry: str
    """The path of the entry, or of the attribute, that it is about."""
    source: str
    """``file:line`` of where the entry is made; empty where that is not known."""
    message: str
    """What was found, and what it does to a user."""
    fix: str
    """The lines to write instead."""

    def to_json(self) -> dict[str, str]:
        """The finding as it stands in a report."""
        return {key: str(value) for key, value in asdict(self).items()}
