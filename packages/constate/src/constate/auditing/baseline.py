"""Findings that a person has accepted: a TOML file of rows with reasons.

::

    [[accepted]]
    target = "pkg.models:build"
    law = "D07"
    entry = "layers/*/inv_freq"
    reason = "the tables are rounded on purpose, see the ablation of March"

A ``*`` in ``target`` or ``entry`` stands for anything. A row that matches nothing in the targets that were audited is
stale.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from constate.auditing.audited import Audited
from constate.auditing.finding import Finding
from constate.auditing.hazards import get_hazard
from constate.auditing.tables import read, require_keys
from constate.errors import UsageError
from constate.verdicts import Verdict

KEYS = ("target", "law", "entry", "reason")


@dataclass(frozen=True)
class Row:
    """One accepted finding, or several alike."""

    target: str
    law: str
    entry: str
    reason: str

    def speaks_of(self, target: str) -> bool:
        """Whether it is about that target."""
        return _matches(self.target, target)

    def covers(self, target: str, finding: Finding) -> bool:
        """Whether it is about that finding."""
        return self.law == finding.law and self.speaks_of(target) and _matches(self.entry, finding.entry)

    def __str__(self) -> str:
        return f"{self.target} {self.law} {self.entry or 'the module'}"


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


@dataclass(frozen=True)
class Baseline:
    """The rows of a file."""

    rows: tuple[Row, ...] = ()
    text: str = ""

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """The rows of a file.

        Raises:
            UsageError: there is no such file, it cannot be read, or a row has no reason or an unknown law or key.
        """
        text, data = read(path, "baseline")
        return cls(tuple(_rows(path, data)), text)

    def applied(self, audited: Audited) -> Audited:
        """The target with what is accepted of it."""
        accepted = {}
        for finding in audited.report.findings:
            row = next((row for row in self.rows if row.covers(audited.target, finding)), None)
            if row is not None:
                accepted[finding] = row.reason
        return replace(audited, accepted=accepted)

    def stale(self, targets: Iterable[Audited]) -> list[Row]:
        """The rows that match nothing, although their law was tried on their target."""
        found = list(targets)
        stale = []
        for row in self.rows:
            about = [audited for audited in found if row.speaks_of(audited.target)]
            tried = [audited for audited in about if _tried(audited, row.law)]
            matched = any(row.covers(audited.target, f) for audited in about for f in audited.report.findings)
            if tried and len(tried) == len(about) and not matched:
                stale.append(row)
        return stale

    def extended(self, targets: Iterable[Audited], reason: str) -> str:
        """The text of the file with a row for every finding that counts; what stands in it stays as it is.

        Raises:
            UsageError: the file's own rows are written in a way to which nothing can be added.
        """
        rows = dict.fromkeys(Row(a.target, f.law, f.entry, reason) for a in targets for f in a.counting)
        kept = [self.text.rstrip("\n")] if self.text.strip() else []
        text = "\n\n".join([*kept, *map(_written, rows)]) + "\n"
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                f"cannot add to the baseline: {error}; write its rows as tables: [[accepted]], as constate does"
            ) from error
        return text


def _written(row: Row) -> str:
    quoted = {key: json.dumps(getattr(row, key), ensure_ascii=False).replace("\x7f", "\\u007f") for key in KEYS}
    return "\n".join(["[[accepted]]", *(f"{key} = {value}" for key, value in quoted.items())])


def _tried(audited: Audited, law: str) -> bool:
    return audited.report.verdicts.get(law, Verdict.UNTESTED) is not Verdict.UNTESTED


def _rows(path: Path, data: dict[str, Any]) -> Iterable[Row]:
    require_keys(f"baseline {path}", data, ("accepted",))
    rows = data.get("accepted", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"baseline {path}: found 'accepted' as something else, expected tables [[accepted]]")
    for number, row in enumerate(rows, 1):
        where = f"baseline {path}, row {number}"
        require_keys(where, row, KEYS, ("target", "law", "reason"))
        if not all(isinstance(value, str) for value in row.values()):
            raise UsageError(f"{where}: found a value that is no text, expected texts only")
        try:
            law = get_hazard(row["law"]).code
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
        yield Row(row["target"], law, row.get("entry", ""), row["reason"])
