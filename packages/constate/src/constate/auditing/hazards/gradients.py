"""G. Gradients: what is trained, and should not be; what grows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from constate.auditing.audit import Audit
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.errors import Unsupported
from constate.instruments import Handle
from constate.instruments.inputs import Call
from constate.laws import NotApplicable, Untested
from constate.state import Array, is_float, same_bits


@hazard(
    "G01",
    values=False,
    fine="""A parameter that a pass initialises once, at the first batch, and training then moves on.""",
)
def wrongly_trainable(audit: Audit) -> Iterator[Finding]:
    """An entry that is no parameter and holds one, or holds a live graph after a pass: fail. A parameter that passes in
    training mode move without any optimizer, at every pass, is a statistic in the trainable listing: fail; where a
    pass only puts it in order, whatever the inputs are, as a weight that is normalised in place: warn.

    The first is trained or not depending on who looks; the second makes the next backward pass fail, or the memory
    grow; the third is moved twice, by the pass and by the optimizer.
    """
    instruments, handle = audit.instruments, audit.fresh()
    reported = set()
    for path, what in instruments.graphs(handle).items():
        reported.add(path)
        yield audit.about("G01", Severity.FAIL, path, f"is no parameter and holds {what}")
    audit.require_values()  # what passes do has to be seen as well
    audit.require_pass()
    handle = instruments.train(handle, audit.others(1), "sgd")
    entries = instruments.entries(handle)
    for path, what in instruments.graphs(handle).items():
        if path not in reported:
            where = entries.get(path, path)
            yield audit.about("G01", Severity.FAIL, where, f"holds {what} after a pass in training mode")
    moved = _moved_twice(audit)
    seen = set()
    for path, by_inputs in sorted(moved.items()):
        identity = entries[path].identity if path in entries else path
        if identity not in seen:  # and not another name of it
            severity = Severity.FAIL if by_inputs else Severity.WARN
            how = "move it" if by_inputs else "write it anew, whatever the inputs are,"
            message = f"is listed as trainable, and passes in training mode {how} without an optimizer"
            yield audit.about("G01", severity, path, message)
        seen.add(identity)


def _moved_twice(audit: Audit) -> dict[str, bool]:
    """The trainable entries that both the first passes and later ones move, and whether it depends on the inputs
    where."""
    trainable = {path for path, held in audit.entries.items() if held.trainable}
    if not trainable & audit.moving:
        return {}
    instruments = audit.instruments

    def after(*last: Call) -> dict[str, Array]:
        handle = audit.fresh()
        for call in (*audit.others(3), *last):
            _, handle = instruments.run(handle, call, training=True)
        return {path: instruments.read(handle, path) for path in trainable}

    before, one, another = after(), after(audit.other(4)), after(audit.other(5))
    return {p: not same_bits(one[p], another[p]) for p in trainable if not same_bits(one[p], before[p])}


STEPS = 5
ATTEMPTS = 8
"""Starts that are tried before an entry is held to get no gradient at all."""
MOST = 24
"""Entries without a gradient that are looked at one by one."""
FEW = 2
"""So many different values an ordinary start has, such as that of a bias with ones for one gate; a table has more."""


@hazard(
    "G03",
    fine="""A table that is trained on purpose from a computed start, as some state spaces are: a warning.""",
)
def trained_constants(audit: Audit) -> Iterator[Finding]:
    """Five steps of AdamW with weight decay 0.1, over the listing that a user in a hurry hands to the optimizer, change
    what has no gradient: an entry that is no parameter, or a trainable one that no gradient reaches: fail.

    Also a table that is the same for every seed and that the optimizer trains: warn.
    """
    instruments = audit.instruments
    before = audit.pristine(0)
    entries = audit.entries
    still = {path for path, held in entries.items() if not held.trainable and path not in audit.moving}
    still -= _moved_elsewhere(audit) if still else set()
    try:
        reached = _reached(audit)
        unreached = {path for path, held in entries.items() if held.trainable} - reached - audit.moving
    except Unsupported:
        reached, unreached = set(), set()
    after: dict[str, set[str]] = {}
    failed = []
    # Where all is trainable, the two listings are one.
    for scope in ("trainable", "careless") if still else ("trainable",):
        try:
            handle = instruments.train(audit.fresh(), audit.others(STEPS), "adamw", scope)
        except Exception as error:  # a framework that refuses the careless listing keeps this law
            failed.append(error)
            continue
        state = audit.state(handle)
        after[scope] = {p for p in before if p not in state or not same_bits(state[p], before[p])}
    if "trainable" not in after:
        raise failed[0]
    changed = after["trainable"] | after.get("careless", set())
    for path in sorted(still & changed):
        scope = "over its trainable listing" if path in after["trainable"] else "over everything that the module lists"
        message = f"is no parameter, and AdamW {scope} changes it"
        yield audit.about("G03", Severity.FAIL, entries[path], message)
    cut = sorted(unreached & changed)
    for path in cut[:MOST]:
        value = before[path]
        if not audit.matters(path, (value.astype(np.float64) * 0.5 + 0.25).astype(value.dtype)):
            continue  # such as the recurrent weights of a direction of which one step is used
        message = "gets no gradient and is in the trainable listing, so that weight decay shrinks it at every step"
        yield audit.about("G03", Severity.FAIL, entries[path], message)
    for path in sorted(reached & changed):
        if is_float(entries[path].dtype) and audit.constant(path) and len(np.unique(before[path])) > FEW:
            listing = "the trainable listing" if instruments.explicit else "every array of the tree"
            message = f"is a table that is the same for every seed, and an optimizer over {listing} trains it"
            yield audit.about("G03", Severity.WARN, entries[path], message)
    if cut[MOST:]:
        raise Untested(f"{len(cut) - MOST} more entries get no gradient and were not looked at one by one")


def _reached(audit: Audit) -> set[str]:
    """The trainable entries that have a gradient other than zero somewhere. It may be zero at the start because another
    parameter is, elsewhere because a unit of a rectifier is off, and in training mode because a batch of one is
    normalised to zero."""
    trainable = {path for path, held in audit.entries.items() if held.trainable}
    reached: set[str] = set()
    for attempt in range(ATTEMPTS):
        start, training = _stirred(audit, attempt) if attempt else audit.fresh(), attempt % 2 == 0
        try:
            found = audit.instruments.gradients(start, audit.other(attempt), training=training)
        except Exception:
            if training:
                raise
            continue  # a module that is not differentiated in eval mode
        reached |= {path for path, gradient in found.items() if gradient is not None and gradient.any()}
        if reached >= trainable:
            break
    return reached


def _moved_elsewhere(audit: Audit) -> set[str]:
    """The entries that a pass moves where the parameters are others, such as the vectors of a power iteration that has
    come to rest."""
    handle = _stirred(audit)
    before = audit.state(handle)
    _, handle = audit.instruments.run(handle, audit.other(0), training=True)
    after = audit.state(handle)
    return {path for path, value in before.items() if path not in after or not same_bits(after[path], value)}


def _stirred(audit: Audit, seed: int = 7) -> Handle:
    """An instance whose trainable entries are all somewhere else than at their start."""
    rng, handle = np.random.default_rng(seed), audit.fresh()
    for path, held in audit.entries.items():
        if held.trainable and is_float(held.dtype):
            value = audit.pristine(0)[path]
            noise = 0.1 * rng.standard_normal(value.shape)
            handle = audit.instruments.write(handle, path, (value.astype(np.float64) + noise).astype(value.dtype))
    return handle


@hazard(
    "G07",
    values=False,
    fine="""Layers that were trained elsewhere and are switched off for a while, to be set free later: a warning.""",
)
def wakes_up(audit: Audit) -> Iterator[Finding]:
    """A parameter that is not trained, and is after the module is frozen and set free again: fail where it is a
    constant by intent (made untrainable, or the same table for every seed), warn where a trained layer was switched off
    later.

    Fine-tuning freezes and unfreezes whole modules.
    """
    instruments, handle = audit.instruments, audit.fresh()
    before = {path for path, held in instruments.entries(handle).items() if held.trainable}
    try:
        handle = instruments.freeze(instruments.freeze(handle, True), False)
    except Unsupported as absent:
        raise NotApplicable(absent.reason) from absent
    entries = instruments.entries(handle)
    woken = {path for path, held in entries.items() if held.trainable} - before
    born = instruments.born_frozen(handle)
    for path in sorted(woken):
        intended = path in born or audit.constant(path)
        severity = Severity.FAIL if intended else Severity.WARN
        yield audit.about("G07", severity, entries[path], "is not trained, and is after the module was frozen and set "
                          "free again")  # fmt: skip
