"""P. Persistence: state that is not listed, not saved, or lost."""

from __future__ import annotations

import copy
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from constate.auditing.audit import Audit, attempt_answer, differ, duplicate, put, restored
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.errors import Unsupported, first_line
from constate.instruments import Handle, Held
from constate.instruments.holdings import Holding
from constate.laws import Untested
from constate.state import Array, same_bits


@hazard(
    "P01",
    values=False,
    fine="""A variable that is meant to stay out of the checkpoint and of training, such as a teacher's, is better held
    where the framework does not see it at all: then it is a finding, and a person accepts it with the reason.""",
)
def unlisted(audit: Audit) -> Iterator[Finding]:
    """A parameter or variable that the framework does not list: in a plain list, a dict, a helper object, a closure, a
    global. It is not saved, not moved, not trained: fail.

    Also a listing that names two entries alike, and one that differs from instance to instance. Plain arrays outside
    of the state are for P09, D02 and C06 to judge, by what becomes of them.
    """
    for holding in audit.arrays(audit.shape).values():
        if audit.instruments.is_variable(holding.value):
            message = "is a variable outside of the listed state: it is not saved, not moved and not in the listing"
            yield audit.about("P01", Severity.FAIL, holding, message)
    names = audit.instruments.listing(audit.shape)
    for name, count in Counter(names).items():
        if count > 1:
            yield audit.about("P01", Severity.FAIL, name, f"{count} entries are listed under this one name")
    if not audit.abstractly:
        again = audit.instruments.listing(audit.fresh(1))
        for name in sorted(set(again) ^ set(names))[:8]:
            message = "is listed in one instance and not in another, so that a checkpoint of one does not fit the other"
            yield audit.about("P01", Severity.FAIL, name, message)


@hazard(
    "P07",
    fine="""A module that holds a lock, a thread or an open file by design and is never copied; one whose class or
    activation is a lambda, a local class or a function that JAX has compiled (``jax.nn.relu``), and that is only ever
    saved through its state.""",
)
def copies_fail(audit: Audit) -> Iterator[Finding]:
    """Copying after a pass in training mode fails, loses state, shares what training moves, or answers otherwise: fail.
    Copying that fails on a fresh instance already: warn.

    Averaged models and target networks are deep copies, worker processes get pickles, and both are made of modules
    that have run.
    """
    tried = False
    if lacks := audit.instruments.lacking(audit.shape):
        yield audit.about("P07", Severity.WARN, "", lacks)
    for how in audit.instruments.copies():
        fresh = audit.fresh()
        try:
            audit.instruments.copy(fresh, how)
        except Unsupported:
            continue
        except Exception as error:
            if _local_class(error, audit.instruments.root(fresh)):
                continue
            tried = True
            message = f"{how} fails on a fresh instance: {first_line(error)}"
            yield audit.about("P07", Severity.WARN, _blamed(audit, fresh, how), message)
            continue
        tried = True
        handle = fresh
        if audit.instruments.inputs is not None:
            handle = audit.instruments.train(fresh, [audit.call], "sgd")
        yield from _copied(audit, handle, how)
    if audit.instruments.inputs is None:
        audit.require_pass()  # only fresh instances were copied
    if not tried:
        raise Untested(
            "the module's class is local to a function, which pickle cannot find, and no other copy is there"
        )


def _copied(audit: Audit, handle: Handle, how: str) -> Iterator[Finding]:
    instruments = audit.instruments
    before, own = audit.state(handle), instruments.entries(handle)
    try:
        copied = instruments.copy(handle, how)
    except Exception as error:
        where = _blamed(audit, handle, how)
        message = f"{how} works on a fresh instance and fails after a pass: {first_line(error)}"
        yield audit.about("P07", Severity.FAIL, where, message)
        return
    theirs = _renamed(own, instruments.entries(copied))
    after = {path: instruments.read(copied, held.path) for path, held in theirs.items()}
    shared = {held.identity for path, held in theirs.items() if path in before}
    for path, value in before.items():
        if path not in after or not same_bits(after[path], value):
            lost = "is missing from" if path not in after else "has other bits in"
            # What the framework does not save either is lost in a copy by its own rules, unless the outputs show it.
            severity = Severity.FAIL if own[path].persistent else Severity.INFO
            yield audit.about("P07", severity, own[path], f"{lost} a copy made by {how} after a pass")
        elif value.size and own[path].identity in shared:
            severity = Severity.FAIL if own[path].trainable or path in audit.moving else Severity.INFO
            yield audit.about("P07", severity, own[path], f"is shared with a copy made by {how}: a write to one "
                              "is seen in the other")  # fmt: skip
    if instruments.inputs is not None and not audit.noise:
        answer = audit.answer(instruments.copy(handle, how))
        if differ(answer, audit.answer(handle)):
            yield audit.about("P07", Severity.FAIL, "", f"a copy made by {how} after a pass gives other outputs")


def _renamed(own: dict[str, Held], theirs: dict[str, Held]) -> dict[str, Held]:
    """The entries of a copy by the paths of the original. A copy whose layers have got other names has the same entries
    in the same order; names that are not the same in every instance are for P01 to judge."""

    def form(entries: dict[str, Held]) -> list[tuple[tuple[int, ...], str, bool]]:
        return [(held.shape, held.dtype, held.trainable) for held in entries.values()]

    if own.keys() != theirs.keys() and form(own) == form(theirs):
        return dict(zip(own, theirs.values(), strict=True))
    return theirs


def _local_class(error: Exception, root: Any) -> bool:
    """Whether pickle failed because a module's class is defined within a function."""
    text = str(error)
    return "<lambda>" not in text and "<locals>" in text and type(root).__qualname__ in text


def _blamed(audit: Audit, handle: Handle, how: str) -> Holding | str:
    """What cannot be copied itself: something held outside of the state if there is such a thing, else an attribute."""

    def copyable(value: Any) -> bool:
        try:
            copy.deepcopy(value) if how == "deepcopy" else pickle.dumps(value)
        except Exception:
            return False
        return True

    for name in audit.instruments.graphs(handle):
        return name
    known = audit.instruments.hindrance(handle, how)
    if known is not None:
        return known
    loose = audit.arrays(handle)
    for holding in loose.values():
        if not copyable(holding.value):
            return holding
    path, item = "", audit.instruments.root(handle)
    seen = set()
    for _ in range(DEPTH):
        seen.add(id(item))
        within = ((name, value) for name, value in _inside(audit, item) if id(value) not in seen)
        inside = next(((name, value) for name, value in within if not copyable(value)), None)
        if inside is None:
            break
        path, item = f"{path}.{inside[0]}".removeprefix("."), inside[1]
    return path


DEPTH = 12


def _inside(audit: Audit, item: Any) -> list[tuple[str, Any]]:
    parts = audit.instruments.parts(item)
    # First what the author put there, then what the framework keeps, such as hooks.
    own = [(part.suffix.removeprefix("."), part.value) for part in parts or ()]
    if parts is None:
        if isinstance(item, OrderedDict):  # of hooks, say, whose keys are counted in the whole process
            return [(str(index), value) for index, value in enumerate(item.values())]
        if isinstance(item, dict):
            return [(str(key), value) for key, value in dict.items(item)]
        if isinstance(item, (list, tuple)):
            return [(str(index), value) for index, value in enumerate(item)]
        if type(item).__module__.partition(".")[0] in audit.instruments.internals:
            return []
    try:
        return own + list(object.__getattribute__(item, "__dict__").items())
    except Exception:  # an object without attributes of its own
        return own


@hazard(
    "P09",
    fine="""State that is meant to begin anew: the position in a stream, a cache of one sequence, a count for logging.
    What never reaches an output is no finding.""",
)
def not_resumed(audit: Audit) -> Iterator[Finding]:
    """Train, save, load into a differently seeded instance: outputs that differ, or that differ after training on,
    come of state that is not saved. Fail, for each thing whose value, carried over by hand, changes the output.

    Random tables that the constructor draws and does not save, and whatever training moves and does not save: entries
    that are not persistent, plain attributes, Python numbers.
    """
    audit.require_repeatable()
    instruments = audit.instruments

    def pair() -> tuple[Handle, Handle]:
        trained = instruments.train(audit.fresh(0), audit.others(3), "sgd")
        return trained, instruments.load(audit.fresh(1), instruments.save(trained))

    first, second = pair()
    measures: list[tuple[str, Callable[[Handle], Any]]] = [
        ("the outputs", lambda handle: audit.answer(handle)),
        ("the outputs in training mode", lambda handle: audit.answer(handle, training=True)),
    ]
    shown = None
    for what, measure in measures:
        if differ(measure(second), measure(first)):
            shown = what, measure
            break
        first, second = pair()
    if shown is None or _only_warm(audit, pair, shown[1]):
        yield from _unsaved_by_design(audit)
        return
    what, measure = shown
    first, second = pair()
    candidates = _differing(audit, first, second)
    blamed = 0
    for where, carry in candidates:
        source, target = pair()
        base = measure(target)
        source, target = pair()
        with restored([where] if isinstance(where, Holding) else []):
            carried = carry(source, target)
            if carried is None:
                continue
            answer, error = attempt_answer(lambda carried=carried: measure(carried))  # type: ignore[misc]
        if error is None and answer is not None and not differ(answer, base):
            continue
        blamed += 1
        saved = isinstance(where, Held) and where.persistent
        state = "does not come back as it was saved" if saved else "is not in the checkpoint"
        message = f"{state}: after a load into an instance of another seed {what} differ"
        yield audit.about("P09", Severity.FAIL, where, message)
    if not blamed:
        # A random generator of the module's own gives other numbers at every pass, also of one instance.
        repeats = not differ(measure(first), measure(first)) and "training" not in what
        severity = Severity.FAIL if repeats else Severity.INFO
        hidden = "state that is neither listed nor found by walking through the module"
        yield audit.about("P09", severity, "", f"after a load into another instance {what} differ, from {hidden}")


def _only_warm(audit: Audit, pair: Callable[[], tuple[Handle, Handle]], measure: Callable[[Handle], Any]) -> bool:
    """Whether one pass in eval mode, on one of the calls of the training, makes the loaded instance answer as the other
    does: then it is a cache of what was seen, which M05 judges."""
    calls = audit.others(3)
    for call in (calls[0], calls[-1]):
        first, second = pair()
        _, second = audit.instruments.run(second, call)
        if not differ(measure(second), measure(first)):
            return True
    return False


def _unsaved_by_design(audit: Audit) -> Iterator[Finding]:
    for path in sorted(audit.moving | audit.seeded):
        held = audit.entries.get(path)
        if held is not None and not held.persistent:
            yield audit.about("P09", Severity.INFO, held, "is not saved and differs from instance to instance; no "
                              "output showed it")  # fmt: skip


Carry = Callable[[Handle, Handle], Handle | None]


def _differing(audit: Audit, first: Handle, second: Handle) -> list[tuple[Held | Holding, Carry]]:
    """What differs between two instances, with how to carry it from one to the other."""
    instruments = audit.instruments
    found: list[tuple[Held | Holding, Carry]] = []
    entries, theirs = instruments.entries(first), instruments.entries(second)

    def carry_entry(path: str) -> Carry:
        return lambda source, target: instruments.write(target, path, instruments.read(source, path))

    def carry_holding(path: str) -> Carry:
        def carry(source: Handle, target: Handle) -> Handle | None:
            here, there = audit.loose(source).get(path), audit.loose(target).get(path)
            if here is None or there is None or not put(there, duplicate(here.value)):
                return None
            return target

        return carry

    for path, held in entries.items():
        if path not in theirs or held.shape != theirs[path].shape:
            found.append((held, lambda source, target: None))
        elif not same_bits(instruments.read(first, path), instruments.read(second, path)):
            found.append((held, carry_entry(path)))
    loose, other = audit.loose(first), audit.loose(second)
    for path, holding in loose.items():
        if path not in other or not _same(audit.bits(holding), audit.bits(other[path])):
            found.append((holding, carry_holding(path)))
    return found[:40]


def _same(first: Array, second: Array) -> bool:
    return first.dtype == second.dtype and same_bits(first, second)
