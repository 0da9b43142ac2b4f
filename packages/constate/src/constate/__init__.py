"""constate: one contract for the state of a neural-network module that is carried but not trained."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constate.auditing.check import check as check
    from constate.auditing.finding import Finding as Finding
    from constate.auditing.finding import Severity as Severity
    from constate.auditing.report import AuditFailed as AuditFailed
    from constate.auditing.report import Report as Report
    from constate.parametrizing import parametrize_with_laws as parametrize_with_laws

_WHERE = {
    "check": "constate.auditing.check",
    "parametrize_with_laws": "constate.parametrizing",
    "Report": "constate.auditing.report",
    "AuditFailed": "constate.auditing.report",
    "Finding": "constate.auditing.finding",
    "Severity": "constate.auditing.finding",
}


def __getattr__(name: str) -> Any:
    """What is public, imported when it is asked for, so that ``import constate`` costs nothing."""
    if name not in _WHERE:
        raise AttributeError(f"module 'constate' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


__all__ = ["AuditFailed", "Finding", "Report", "Severity", "check", "parametrize_with_laws"]
