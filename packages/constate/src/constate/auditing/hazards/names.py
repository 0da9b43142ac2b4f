"""N. Names: what is registered twice."""

from __future__ import annotations

from collections.abc import Iterator

from constate.auditing.audit import Audit
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.laws import NotApplicable


@hazard(
    "N03",
    values=False,
    fine="""A subclass that replaces an entry of its base on purpose. A name that is registered as ``None`` first is no
    finding.""",
)
def registered_twice(audit: Audit) -> Iterator[Finding]:
    """A name that the constructor registers twice, the second time with another shape, dtype or other bits: fail. With
    the same: info.

    The first is lost in silence, and with it whatever was computed from it or expected of it.
    """
    audit.fresh()
    found = audit.instruments.replaced()
    for again in found:
        severity = Severity.FAIL if again.differs else Severity.INFO
        entry = audit.entries.get(again.path)
        what = "another value" if again.differs else "the same value"
        message = f"is registered twice by the constructor, the second time with {what}; the first is lost in silence"
        yield audit.about("N03", severity, entry if entry is not None else again.path, message)
    if not found and type(audit.instruments).replaced is _never():
        raise NotApplicable("the framework refuses a second registration, or keeps no registry")


def _never() -> object:
    from constate.instruments import Instruments

    return Instruments.replaced
