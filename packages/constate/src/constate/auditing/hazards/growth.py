"""G. Gradients: memory that a module lets grow, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from constate.auditing.audit import Audit
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.errors import first_line
from constate.instruments import Handle, Held
from constate.instruments.holdings import Holding
from constate.reach import arrays_within

ROUNDS, CONFIRM = 4, 150


@hazard(
    "G06",
    fine="""A list that is emptied by whoever trains the module, at the end of an epoch, say; one with a bound that is
    beyond 150 steps.""",
)
def grows(audit: Audit) -> Iterator[Finding]:
    """A list, a dict or a live graph that the module holds and that is longer after every training step, for 150 steps:
    fail where it holds arrays or a graph, warn where it holds plain numbers. A graph that makes the next step fail as
    well: fail.
    """
    instruments = audit.instruments
    call = audit.other(0)
    handle = audit.fresh()
    sizes: list[dict[str, int]] = []
    for step in range(ROUNDS):
        try:
            handle = instruments.train(handle, [call], "sgd")
        except Exception as error:
            if step == 0 or not sizes[-1][GRAPH]:
                raise
            where = _graph_holder(audit, handle)
            message = f"holds the graph of earlier steps, and training step {step + 1} fails: {first_line(error)}"
            yield audit.about("G06", Severity.FAIL, where, message)
            return
        sizes.append(_sizes(audit, handle))
    growing = [path for path in sizes[-1] if _rises([size.get(path, 0) for size in sizes])]
    if not growing:
        return
    for _ in range(CONFIRM // 10):
        handle = instruments.train(handle, [call] * 10, "sgd")
        sizes.append(_sizes(audit, handle))
        growing = [path for path in growing if sizes[-1].get(path, 0) > sizes[-2].get(path, 0)]
    containers = {holding.path: holding for holding in instruments.holdings(handle)}
    for path in growing:
        count = sizes[-1][path] - sizes[ROUNDS - 1][path]
        if path == GRAPH:
            where = _graph_holder(audit, handle)
            message = f"holds a live graph that grew by {count} operations in {CONFIRM} training steps"
            yield audit.about("G06", Severity.FAIL, where, message)
            continue
        holding = containers[path]
        arrays = list(arrays_within(_values(holding.value)[-3:], instruments.is_array))
        severity = Severity.FAIL if arrays else Severity.WARN
        what = "arrays" if arrays else "values"
        message = f"grew by {count} {what} in {CONFIRM} training steps, and none is let go"
        yield audit.about("G06", severity, holding, message)


GRAPH = "\0graph"


def _sizes(audit: Audit, handle: Handle) -> dict[str, int]:
    found = {GRAPH: audit.instruments.graph_size(handle)}
    for holding in audit.instruments.holdings(handle):
        if isinstance(holding.value, (list, dict, set)) or (
            hasattr(holding.value, "maxlen") and holding.value.maxlen is None
        ):
            found[holding.path] = len(holding.value)
    return found


def _rises(sizes: list[int]) -> bool:
    return all(after > before for before, after in pairwise(sizes))


def _values(container: dict[Any, Any] | Iterable[Any]) -> list[Any]:
    return list(container.values() if isinstance(container, dict) else container)


def _graph_holder(audit: Audit, handle: Handle) -> Held | Holding | str:
    live = audit.instruments.graphs(handle)
    entries = audit.instruments.entries(handle)
    for path in live:
        return entries.get(path, path)
    for holding in audit.arrays(handle).values():
        if audit.instruments.is_variable(holding.value):
            return holding
    return next(iter(audit.arrays(handle).values()), "")
