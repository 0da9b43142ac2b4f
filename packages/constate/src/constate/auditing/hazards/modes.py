"""M. Modes: caches that outlive what they were computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from constate.auditing.audit import Audit, attempt_answer, differ
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.errors import Unsupported, first_line
from constate.instruments import Handle
from constate.instruments.inputs import Call
from constate.laws import Untested
from constate.state import is_float, same_bits


@hazard(
    "M05",
    fine="""A cache that is an entry and that a pass in eval mode is meant to move, such as the keys and values of a
    sequence so far: what an entry carries is not hidden, and is compared as it is.""",
)
def stale(audit: Audit) -> Iterator[Finding]:
    """A warm instance, which has run, answers otherwise than a cold one after a load, a cast, a move, or on other
    inputs: fail. Where the cause is an entry that passes in eval mode move, and only a load shows it: warn.

    Something was computed from the state, the type, the device or the shape at the first pass and kept.
    """
    audit.require_repeatable()
    if _carries(audit):
        raise Untested("a pass changes what the next one gives, by state that is not listed, which P09 judges")
    instruments, call = audit.instruments, audit.call
    tried = False
    for what, change, then in _changes(audit):

        def cold() -> Handle:
            return change(audit.fresh())  # noqa: B023

        def warm() -> Handle:
            _, handle = instruments.run(audit.fresh(), call)
            return change(handle)  # noqa: B023

        try:
            changed, has_run = cold(), warm()
        except Exception:  # there is no such verb, or the module does not take it, which is for other laws to judge
            continue
        expected, error = attempt_answer(lambda: audit.answer(changed, then))  # noqa: B023
        if error is not None or expected is None:
            continue  # the module does not do this at all, warm or cold
        tried = True
        found, error = attempt_answer(lambda: audit.answer(has_run, then))  # noqa: B023
        if error is None and found is not None and not differ(found, expected):
            continue
        how = f"fails ({first_line(error)})" if error is not None else "gives other outputs than one that has not run"
        visible = _by_entries(audit, cold, warm, then)
        if visible and what != "a load":
            continue
        where = _cache(audit)
        severity = Severity.WARN if visible else Severity.FAIL
        yield audit.about("M05", severity, where, f"after {what} an instance that has run {how}")
    if not tried:
        raise Untested("the module takes no load, no cast, no move and no other inputs")


def _carries(audit: Audit) -> bool:
    """Whether every pass gives other outputs than the one before, and no entry explains it: what is kept between them
    is no cache, which the first pass fills, but state, which a warm instance has and a cold one has not."""
    instruments = audit.instruments

    def warm() -> Handle:
        return instruments.run(audit.fresh(), audit.call)[1]

    first, second = audit.answer(audit.fresh()), audit.answer(warm())
    if not differ(second, first) or not differ(audit.answer(instruments.run(warm(), audit.call)[1]), second):
        return False
    return not _by_entries(audit, audit.fresh, warm, audit.call)


Change = Callable[[Handle], Handle]


def _changes(audit: Audit) -> Iterator[tuple[str, Change, Call]]:
    """What is done to the instance after it has run, and the call whose answer is compared."""
    instruments = audit.instruments
    assert instruments.inputs is not None
    saved = instruments.save(_another(audit))
    yield "a load", lambda handle: instruments.load(handle, saved), audit.call
    yield "a call with other inputs", lambda handle: handle, audit.other(7)
    for axes in instruments.inputs.axes():
        size = instruments.inputs.size(axes)
        for new in dict.fromkeys((max(1, size // 2), size + 3)):
            if new != size:
                call = instruments.inputs.resized(axes, new).first()
                yield f"a call with {new} in the place of {size}", lambda handle: handle, call
    for device in instruments.devices():
        yield f"a move to {device}", lambda handle, device=device: instruments.move(handle, device), audit.call  # type: ignore[misc]
    dtype = _other_float(audit)
    yield f"a cast to {dtype}", lambda handle: instruments.cast(handle, dtype), audit.call


def _other_float(audit: Audit) -> str:
    """A float type to cast to: a wider one, in which nothing is lost, where the framework has it."""
    try:
        audit.instruments.cast(audit.fresh(), "float64")
    except Unsupported:
        return "bfloat16"
    return "float64"


def _another(audit: Audit) -> Handle:
    """An instance that is trained, with every saved float somewhere else: also constants, since a checkpoint of another
    configuration has other ones."""
    instruments = audit.instruments
    handle = instruments.train(audit.fresh(1), audit.others(2), "sgd")
    rng = np.random.default_rng(11)
    for path, held in instruments.entries(handle).items():
        if held.persistent and is_float(held.dtype):
            value = instruments.read(handle, path)
            moved = value.astype(np.float64) * rng.uniform(1.05, 1.3, value.shape)
            handle = instruments.write(handle, path, moved.astype(value.dtype))
    return handle


def _by_entries(audit: Audit, cold: Callable[[], Handle], warm: Callable[[], Handle], then: Call) -> bool:
    """Whether the warm instance answers as a cold one that has the same entries."""
    instruments = audit.instruments
    try:
        handle, state = cold(), audit.state(warm())
        own = audit.state(handle)
        for path, value in state.items():
            if path not in own or own[path].shape != value.shape or own[path].dtype != value.dtype:
                return False
            handle = instruments.write(handle, path, value)
        if all(same_bits(own[path], value) for path, value in state.items()):
            return False
        return not differ(audit.answer(handle, then), audit.answer(warm(), then))
    except Exception:
        return False


def _cache(audit: Audit) -> str:
    """The first thing that a pass in eval mode makes or changes."""
    handle = audit.fresh()
    before = {path: audit.bits(holding) for path, holding in audit.loose(handle).items()}
    entries = audit.state(handle)
    _, handle = audit.instruments.run(handle, audit.call)
    for path, holding in audit.loose(handle).items():
        held = audit.instruments.is_array(holding.value) or hasattr(holding.value, "nbytes")
        if held and (path not in before or not same_bits(audit.bits(holding), before[path])):
            return path
    return next((p for p, v in audit.state(handle).items() if p not in entries or not same_bits(v, entries[p])), "")
