"""M. Modes: what a pass in training mode moves, and a pass in eval mode does not."""

from __future__ import annotations

from collections.abc import Callable

from constate.backend import Handle
from constate.errors import Unsupported
from constate.laws.law import NotApplicable, differing, distance, law, require
from constate.state import Array, Kind, dtype_named, is_float, same_bits
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
    """In eval mode 100 passes change no bit, and an example's output does not depend on its batch.

    What a pass leaves outside of the entries shows in the outputs of the last pass.
    """
    backend, handle = subject.backend, subject.golden()
    before = subject.read(handle)
    together, handle = backend.forward(handle, *subject.inputs)
    faults = [f"after one pass {line}" for line in differing(subject.read(handle), before)]
    for _ in range(PASSES - 1):
        last, handle = backend.forward(handle, *subject.inputs)
    faults += [f"after {PASSES} passes {line}" for line in differing(subject.read(handle), before)]
    if (error := distance(last, together)) > subject.reference.bound:
        faults.append(f"the outputs of pass {PASSES} are {error:.3g} away from those of the first")
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


@law("M05", "no stale cache")
def no_stale_cache(subject: Subject) -> str:
    """A warm instance answers as a cold one does after load, cast, move and for new inputs.

    What a module remembers of a pass (rotated tables, projected weights, the last mask) is wrong as soon as its state,
    its float type, its device or its inputs are others. Both instances go the same way, except that the warm one has
    made a pass before; their outputs are compared by bits. A way that the framework does not have is left out.
    """
    backend, spec = subject.backend, subject.spec()
    ordinary, others = subject.inputs, subject.batches(1)[0]
    path = subject.save(subject.put(subject.fresh(), {name: subject.state[name] for name in subject.persistent}))
    half = dtype_named("bfloat16")
    rounded = tuple(array.astype(half) if is_float(array.dtype) else array for array in others)
    ways: dict[str, tuple[Callable[[Handle], Handle], tuple[Array, ...]]] = {
        "new inputs": (lambda handle: handle, others),
        "another batch size": (lambda handle: handle, (ordinary[0][:1], *ordinary[1:])),
        "load": (lambda handle: subject.load(handle, path), others),
        "cast": (lambda handle: backend.cast(handle, "bfloat16", spec, keep=subject.pinned), rounded),
    } | {
        f"move to {device}": (lambda handle, device=device: backend.move(handle, device, spec), others)
        for device in backend.devices()
    }
    faults, gone = [], []
    for what, (change, inputs) in ways.items():
        warm, cold = subject.fresh(1), subject.fresh(1)
        _, warm = backend.forward(warm, *ordinary)
        try:
            answers = [backend.forward(change(handle), *inputs)[0] for handle in (warm, cold)]
        except Unsupported:
            continue
        gone.append(what)
        if not same_bits(*answers):
            faults.append(f"{what}: the warm instance is {distance(*answers):.3g} away from the cold one")
    require(faults, "the same outputs from both")
    return f"the same outputs from a warm and a cold instance after {', '.join(gone)}"
