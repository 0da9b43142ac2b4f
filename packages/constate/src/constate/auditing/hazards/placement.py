"""D. Placement: what a move leaves behind, what a cast ruins, what stops being shared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from constate.auditing.audit import Audit, attempt_answer, put, restored
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.errors import Unsupported, first_line
from constate.instruments import Handle, Held
from constate.instruments.holdings import Holding
from constate.laws import NotApplicable, Untested
from constate.state import is_float, same_bits


@hazard(
    "D02",
    fine="""An array that the module itself moves to the device of its input in every pass: correct, if slow.""",
)
def left_behind(audit: Audit) -> Iterator[Finding]:
    """After a move, arrays outside of the registered state that stayed where they were, and a pass on the new device
    that fails because of them: fail. A pass that works although they stayed moves them itself: no finding.

    The proof: the pass that failed works when what stayed behind is moved by hand.
    """
    instruments = audit.instruments
    devices = instruments.devices()
    if not devices:
        raise NotApplicable("there is one device only")
    device, call = devices[0], audit.call

    def moved() -> Handle:
        _, handle = instruments.run(audit.fresh(), call, training=True)
        return instruments.move(handle, device)

    def behind(handle: Handle) -> dict[str, Holding]:
        return {p: h for p, h in audit.arrays(handle).items() if instruments.device(h.value) != device}

    def fault_of(handle: Handle) -> Exception | None:
        """How a pass fails, in eval mode or in training mode."""
        for training in (False, True):
            _, error = attempt_answer(lambda training=training: audit.answer(handle, call, training=training))  # type: ignore[misc]
            if error is not None:
                return error
        return None

    strays = behind(moved())
    if not strays or fault_of(moved()) is None:
        return

    def fails_without(paths: set[str]) -> Exception | None:
        """How a pass fails where all that stayed behind is moved by hand but for these."""
        handle = moved()
        found = behind(handle)
        with restored(found.values()):
            for path, holding in found.items():
                if path not in paths:
                    put(holding, instruments.moved(holding.value, device))
            return fault_of(handle)

    other = fails_without(set())
    if other is not None:
        raise Untested(f"a pass on {device} fails for another reason: {first_line(other)}")
    for path, holding in list(strays.items())[:20]:
        fault = fails_without({path})
        if fault is not None:
            message = f"stays on {instruments.device(holding.value)} when the module is moved, and a pass on the new "
            message += f"device fails: {first_line(fault)}"
            yield audit.about("D02", Severity.FAIL, holding, message)


@hazard(
    "D04",
    values=False,
    fine="""A module that is never cast: then the finding costs nothing, and a person accepts it.""",
)
def cast_wrongly(audit: Audit) -> Iterator[Finding]:
    """A cast to another float type changes what is no float: a complex entry that becomes real and loses its imaginary
    part, an integer or a boolean that becomes a float: fail.

    Also a float entry that counts passes: a count in bfloat16 stops at 256: warn.
    """
    instruments = audit.instruments
    after = instruments.entries(instruments.cast(audit.fresh(), "bfloat16"))
    for path, held in audit.entries.items():
        if path not in after or is_float(held.dtype):
            continue
        if after[path].dtype != held.dtype:
            loss = "; its imaginary part is lost" if held.dtype.startswith("complex") else ""
            yield audit.about("D04", Severity.FAIL, held, f"is {held.dtype} and becomes {after[path].dtype} when the "
                              f"module is cast to bfloat16{loss}")  # fmt: skip
    if instruments.inputs is None or audit.abstractly:
        return
    before, passed = audit.pristine(0), audit.passed
    for path in sorted(audit.moving):
        held = audit.entries[path]
        if is_float(held.dtype) and after[path].dtype != held.dtype:
            steps = passed[path].astype(np.float64) - before[path].astype(np.float64)
            if steps.size == 1 and float(steps.reshape(-1)[0]) == 3.0:
                yield audit.about("D04", Severity.WARN, held, "counts passes in a float: after a cast to bfloat16 it "
                                  "stops at 256")  # fmt: skip


GLOBAL = "<global>"
"""Stands in the path of what a module of Python holds."""


@hazard(
    "D06",
    values=False,
    fine="""A constant table that several modules read and none writes: the copies cost memory and nothing else, and
    the finding is a warning. Parameters that are tied on purpose.""",
)
def sharing_changes(audit: Audit) -> Iterator[Finding]:
    """Entries that share memory and are two after a move or a cast: fail where passes move them, else warn. Entries, or
    arrays and numbers held by a class or a default argument, that two instances share and passes move: fail.

    What belongs together drifts apart, or what does not belong together moves as one.
    """
    instruments = audit.instruments
    first, second = audit.instances()
    moving = audit.moving if instruments.inputs is not None and not audit.abstractly else set()
    yield from _shared_by_instances(audit, first, second, moving)
    before = _groups(instruments.entries(first))
    changes: list[tuple[str, Callable[[Handle], Handle]]] = [
        ("a move", partial(_moved, audit)),
        ("a cast", lambda handle: instruments.cast(handle, "float64")),
    ]
    for what, change in changes if before else ():
        try:
            after = instruments.entries(change(audit.fresh(0)))
        except Unsupported:
            continue
        for group in before:
            held = [after[path] for path in group if path in after]
            if len({one.identity for one in held}) > 1:
                severity = Severity.FAIL if moving & set(group) else Severity.WARN
                others = ", ".join(sorted(group)[1:])
                message = f"is one with {others}, and after {what} they are {len({o.identity for o in held})} arrays"
                yield audit.about("D06", severity, sorted(group)[0], message)
    if instruments.inputs is None:
        audit.require_pass()  # what passes move, and two instances share, was not seen


def _moved(audit: Audit, handle: Handle) -> Handle:
    devices = [device for device in audit.instruments.devices() if audit.instruments.remembers(device)]
    if not devices:
        raise Unsupported("there is one device only")
    return audit.instruments.move(handle, devices[0])


def _groups(entries: Mapping[str, Held]) -> list[set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for path, held in entries.items():
        if held.nbytes:
            found[held.identity].add(path)
    return [group for group in found.values() if len(group) > 1]


def _shared_by_instances(audit: Audit, first: Handle, second: Handle, moving: set[str]) -> Iterator[Finding]:
    instruments = audit.instruments
    ours = {held.identity: path for path, held in instruments.entries(first).items() if held.nbytes}
    theirs = {held.identity for held in instruments.entries(second).values()}
    for identity, path in ours.items():
        if identity in theirs:
            severity = Severity.FAIL if path in moving else Severity.INFO
            message = "is one array in two instances of the module"
            message += ": what one learns the other forgets" if path in moving else "; passes do not move it"
            yield audit.about("D06", severity, path, message)
    if instruments.inputs is None or audit.abstractly:
        return
    here = audit.loose(second)
    kept = {path: audit.bits(holding) for path, holding in here.items()}
    with restored(here.values()):
        instruments.run(first, audit.call, training=True)
        for path, holding in audit.loose(second).items():
            count = GLOBAL in path and not instruments.is_array(holding.value)  # of all passes, of whatever module
            if path in kept and not count and not same_bits(audit.bits(holding), kept[path]):
                message = "is one for two instances of the module: a pass of one moves it for the other"
                yield audit.about("D06", Severity.FAIL, holding, message)
