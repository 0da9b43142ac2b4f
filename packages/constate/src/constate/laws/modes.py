"""M. Modes: what a pass in training mode moves, and a pass in eval mode does not."""

from __future__ import annotations

from constate.laws.law import NotApplicable, differing, distance, law, require
from constate.state import Kind, same_bits
from constate.subject import Subject

PASSES = 100
UPDATES = 1000


def _moving(subject: Subject) -> set[str]:
    moving = subject.paths(Kind.STATISTIC, Kind.COUNTER)
    if not moving:
        raise NotApplicable("the module carries no statistic and no counter")
    return moving


@law(
    "M01",
    "training only",
    reports=["https://github.com/keras-team/keras-core/pull/339"],
)
def training_only(subject: Subject) -> str:
    """Statistics move in training mode, and in training mode only."""
    moving, backend = _moving(subject), subject.backend
    before = subject.read(subject.golden())
    _, quiet = backend.forward(subject.golden(), *subject.inputs, training=False)
    faults = [f"in eval mode {line}" for line in differing(subject.read(quiet), before)]
    _, moved = backend.forward(subject.golden(), *subject.inputs, training=True)
    after = subject.read(moved)
    faults += [
        f"{path} did not move in training mode" for path in sorted(moving) if same_bits(after[path], before[path])
    ]
    return require(faults, f"{', '.join(sorted(moving))} moved by a training pass and by nothing else")


@law("M02", "eval is pure", reports=["https://github.com/pytorch/pytorch/issues/8208"])
def eval_is_pure(subject: Subject) -> str:
    """In eval mode 100 passes change no bit, and an example's output does not depend on its batch."""
    backend, handle = subject.backend, subject.golden()
    before = subject.read(handle)
    together, handle = backend.forward(handle, *subject.inputs)
    faults = [f"after one pass {line}" for line in differing(subject.read(handle), before)]
    for _ in range(PASSES - 1):
        _, handle = backend.forward(handle, *subject.inputs)
    faults += [f"after {PASSES} passes {line}" for line in differing(subject.read(handle), before)]
    first, *others = subject.inputs
    alone, _ = backend.forward(handle, first[:1], *others)
    if (error := distance(alone, together[:1])) > subject.reference.bound:
        faults.append(f"the first example's output differs by {error:.3g} without the others")
    return require(faults, "the same bits after 100 passes, and the same output for an example alone")


@law(
    "M03",
    "rule",
    reports=["https://github.com/keras-team/keras/issues/8982", "https://github.com/pytorch/pytorch/issues/19902"],
)
def rule(subject: Subject) -> str:
    """After 1,000 updates statistics agree with the float64 reference within the stated bound, counters exactly."""
    moving, reference = _moving(subject), subject.reference
    handle, state = subject.golden(), dict(subject.state)
    for batch in subject.batches(UPDATES):
        _, handle = subject.backend.forward(handle, *batch, training=True)
        _, state = reference.apply(state, batch, True)
    faults, found = [], []
    for path in sorted(moving):
        error = distance(subject.backend.read(handle, path), state[path])
        found.append(f"{path} is off by {error:.3g}")
        bound = reference.statistics_bound if subject.declared[path].kind is Kind.STATISTIC else 0
        if not error <= bound:
            faults.append(f"{path} is off by {error:.3g} (bound {bound:g})")
    require(faults, f"statistics within {reference.statistics_bound:g}, counters exact")
    return f"after {UPDATES} updates {', '.join(found)}; the bound is {reference.statistics_bound:g}"


@law("M04", "constants stay", reports=["https://github.com/huggingface/transformers/issues/25306"])
def constants_stay(subject: Subject) -> str:
    """Constants have the same bits in both modes."""
    constants = subject.paths(Kind.CONSTANT, Kind.DERIVED)
    if not constants:
        raise NotApplicable("the module carries no constant")
    handle = subject.golden()
    before = {path: subject.backend.read(handle, path) for path in constants}
    faults = []
    for training in (True, False):
        _, handle = subject.backend.forward(handle, *subject.inputs, training=training)
        mode = "training" if training else "eval"
        faults += [f"in {mode} mode {line}" for line in differing(subject.read(handle), before)]
    return require(faults, "the same bits in training and in eval mode")
