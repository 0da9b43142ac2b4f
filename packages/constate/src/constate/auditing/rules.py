"""What a report says of a law: the law itself, what an audit looks for, and when that is fine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from constate.auditing.hazards import HAZARDS
from constate.laws import LAWS


@dataclass(frozen=True)
class Rule:
    """One law, in words."""

    code: str
    title: str
    chapter: str
    sentence: str
    how: str
    """What an audit looks for, by running what, and how severe that is."""
    fine: str
    """When what it looks for is not a problem."""
    alone: bool = False
    """Whether it is tried only when it is asked for, because it starts processes."""
    why: str = ""
    reports: tuple[str, ...] = ()
    """Links to real reports of what happens where the law does not hold."""

    def to_json(self) -> dict[str, Any]:
        """The rule as a page shows it."""
        return asdict(self)


def rule(code: str) -> Rule:
    """The rule of a law that an audit tries."""
    hazard, law = HAZARDS[code], LAWS[code]
    return Rule(code, law.title, law.chapter, law.sentence, hazard.how, hazard.fine, hazard.alone, law.why, law.reports)


def rules(codes: Iterable[str]) -> dict[str, Rule]:
    """The rules of some laws, by code."""
    return {code: rule(code) for code in codes}
