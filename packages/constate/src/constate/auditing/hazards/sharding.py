"""S. Sharding: replicas that drift apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from constate.auditing.audit import STEPS, Audit, difference_of
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.instruments import Held
from constate.instruments.holdings import Holding
from constate.state import Array


def _where(audit: Audit, path: str) -> Held | Holding | str:
    if path in audit.entries:
        return audit.entries[path]
    return audit.arrays(audit.shape).get(path, path)


def _differing(first: Mapping[str, Array], second: Mapping[str, Array]) -> list[str]:
    return [
        p
        for p in first.keys() | second.keys()
        if p not in first or p not in second or difference_of(first[p], second[p]) > 1e-5
    ]


@hazard(
    "S01",
    alone=True,
    fine="""State that is each replica's own by design: its random generator, its share of a table.""",
)
def born_apart(audit: Audit) -> Iterator[Finding]:
    """Two replicas in the framework's own data-parallel engine, in two processes with different seeds, that are not
    equal before the first step: fail.

    What is registered the engine makes equal; what is not, and is drawn at random, stays apart for good.
    """
    (first, _), (second, _) = audit.replicas
    for path in sorted(_differing(first, second))[:20]:
        yield audit.about(
            "S01", Severity.FAIL, _where(audit, path), "differs between two replicas before the first step"
        )


@hazard(
    "S02",
    alone=True,
    fine="""Statistics of each replica's own batch, where that is wanted (ghost batches) or where only the first replica
    is saved.""",
)
def drifts_apart(audit: Audit) -> Iterator[Finding]:
    """Two replicas that were equal before and are not after three steps on different data: fail for what is held
    outside of the state, warn for entries.

    Entries that are no parameters the engine makes equal again before the next pass, as the first replica has them:
    what the others saw is lost, and the checkpoint depends on who saves. What is held outside drifts apart for good.
    """
    (first, after), (second, later) = audit.replicas
    born = set(_differing(first, second))
    for path in sorted(set(_differing(after, later)) - born)[:20]:
        severity = Severity.WARN if path in audit.entries else Severity.FAIL
        yield audit.about("S02", severity, _where(audit, path), f"differs between two replicas after {STEPS} steps")
