"""P. Persistence: keys that come and go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from constate.auditing.audit import Audit
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.errors import first_line
from constate.instruments.sources import assigned_in
from constate.laws import NotApplicable
from constate.state import same_bits


@hazard(
    "P12",
    values=False,
    fine="""A module that is always run once before it is saved or loaded, as modules that are built lazily are.""",
)
def keys_change(audit: Audit) -> Iterator[Finding]:
    """The names that are saved change with the mode or with a pass: fail.

    A checkpoint that was written at one moment then cannot be loaded at another.
    """
    instruments, handle = audit.instruments, audit.fresh()
    before = set(instruments.listing(handle))
    for training in (False, True, False):
        _, handle = instruments.run(handle, audit.call, training=training)
        now = set(instruments.listing(handle))
        mode = "training" if training else "eval"
        for name in sorted(now - before):
            yield audit.about("P12", Severity.FAIL, name, f"is saved only after a pass in {mode} mode")
        for name in sorted(before - now):
            yield audit.about("P12", Severity.FAIL, name, f"is no longer saved after a pass in {mode} mode")
        before = now


def _never_filled(audit: Audit, path: str) -> Finding:
    """What to say of an entry that is ``None`` after passes in both modes."""
    name = path.rpartition("/")[2]
    cls = audit.instruments.holder(audit.shape, path)
    method, source = assigned_in(cls, name) if cls is not None else ("", "")
    if not method:
        return audit.about("P13", Severity.INFO, path, "is None and no pass fills it")
    message = f"is None until {method} fills it; a checkpoint written then does not load into a fresh instance"
    return replace(audit.about("P13", Severity.WARN, path, message), source=source)


@hazard(
    "P13",
    values=False,
    fine="""An entry that is ``None`` because of the configuration and stays so, such as the statistics of a batch
    normalisation that keeps none: info.""",
)
def optional_lost(audit: Audit) -> Iterator[Finding]:
    """An entry that is ``None`` at first and filled by a pass, where a checkpoint then does not load into a fresh
    instance, or loads and leaves it ``None``: fail. One that no pass fills and another method does: warn.

    The run cannot be resumed, or resumes without what it had measured.
    """
    instruments = audit.instruments
    absent = instruments.optional(audit.shape)
    if not absent:
        raise NotApplicable("no entry is None")
    handle = audit.fresh()
    for training in (True, False):
        _, handle = instruments.run(handle, audit.call, training=training)
    entries = instruments.entries(handle)
    for path in absent:
        if path not in entries:
            yield _never_filled(audit, path)
            continue
        if not entries[path].persistent:
            continue
        try:
            loaded = instruments.load(audit.fresh(1), instruments.save(handle))
        except Exception as error:
            message = f"is None until a pass fills it; the checkpoint then does not load: {first_line(error)}"
            yield audit.about("P13", Severity.FAIL, entries[path], message)
            continue
        found = instruments.entries(loaded)
        if path not in found or not same_bits(instruments.read(loaded, path), instruments.read(handle, path)):
            message = "is None until a pass fills it, and a load into a fresh instance loses it in silence"
            yield audit.about("P13", Severity.FAIL, entries[path], message)
