"""P. Persistence: what is lost where a module is built without memory."""

from __future__ import annotations

from collections.abc import Iterator

from constate.auditing.audit import Audit
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.errors import Unsupported, first_line
from constate.instruments import Handle
from constate.laws import NotApplicable, Untested
from constate.state import garbage, is_float, poisoned, same_bits


@hazard(
    "P11",
    values=False,
    fine="""Entries that a library sets again itself after it has given memory (position numbers of type int64 in
    transformers, for example), and modules that are only ever built with memory.""",
)
def lost_abstractly(audit: Audit) -> Iterator[Finding]:
    """Build without memory, give memory, poison every byte, run the module's own re-initialisation hooks, load: an
    entry that is wrong then and changes the outputs: fail. One that changes no output: info.

    This is how large models are loaded. A constructor that needs values cannot be built so: untested. A module that is
    too large for memory is judged by what its hooks write: fail for floats, warn for others, of which no output can be
    seen.
    """
    instruments = audit.instruments
    if audit.abstractly:
        yield from _never_set(audit)
        return
    golden = audit.fresh(0)
    saved = instruments.save(golden)
    try:
        real = instruments.abstract(1)
    except Unsupported as absent:
        raise NotApplicable(absent.reason) from absent
    except Exception as error:
        raise Untested(f"cannot be built without memory: {first_line(error)}") from error
    real = instruments.materialise(real)
    expected = audit.pristine(0)
    for path, held in instruments.entries(real).items():
        if path in expected and held.shape == expected[path].shape:
            real = instruments.write(real, path, poisoned(expected[path]))
    try:
        real = instruments.load(instruments.reinitialise(real), saved)
    except Exception:
        bare = list(_without_memory(audit, real, Severity.FAIL))
        if not bare:
            raise
        yield from bare  # the load misses what the build without memory did not keep as an entry
        return
    after = audit.state(real)
    entries = instruments.entries(golden)
    for path, held in entries.items():
        value = expected[path]
        if path in after and same_bits(after[path], value):
            continue
        lost = path not in after or same_bits(after[path], poisoned(value))
        if not lost and path in audit.seeded:
            continue  # drawn anew, which is for P09 to judge
        what = "is gone" if path not in after else "keeps whatever bytes the memory had" if lost else "is wrong"
        message = f"{what} after a build without memory and a load"
        if instruments.inputs is None:
            yield audit.about("P11", Severity.FAIL, held, f"{message}; without inputs no output was looked at")
        elif audit.matters(path, garbage(value) if lost else after[path]):
            yield audit.about("P11", Severity.FAIL, held, f"{message}, and the outputs are wrong")
        else:
            yield audit.about("P11", Severity.INFO, held, f"{message}; no output showed it")
    yield from _without_memory(audit, real, Severity.INFO if _answers(audit, real) else Severity.FAIL)


def _answers(audit: Audit, handle: Handle) -> bool:
    """Whether an instance passes, so that what has no memory in it is not read."""
    if audit.instruments.inputs is None:
        return False
    try:
        return all(audit.answer(handle, training=training) for training in (False, True))
    except Exception:
        return False


def _never_set(audit: Audit) -> Iterator[Finding]:
    """The entries of a module without memory that are not saved and that no hook writes."""
    instruments = audit.instruments
    handle = audit.fresh()
    before = instruments.stamps(handle)
    if not before:
        audit.require_values()
    after = instruments.stamps(instruments.reinitialise(handle))
    for path, held in instruments.entries(handle).items():
        if not held.persistent and after.get(path) == before.get(path):
            severity = Severity.FAIL if is_float(held.dtype) else Severity.WARN
            message = "is not saved, and nothing sets it again after a build without memory"
            yield audit.about("P11", severity, held, message)
    yield from _without_memory(audit, handle, Severity.FAIL)


def _without_memory(audit: Audit, handle: Handle, severity: Severity) -> Iterator[Finding]:
    for holding in audit.arrays(handle).values():
        if audit.instruments.device(holding.value) in ("meta", "none"):
            message = "has no memory after a build without memory and a load, because it is not an entry"
            yield audit.about("P11", severity, holding, message if severity is Severity.FAIL else
                              f"{message}; passes do not read it")  # fmt: skip
