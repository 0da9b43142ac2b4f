"""G. Gradients: what is trained, and what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from constate.backend import Handle, Optimizer, Scope
from constate.catalog import Reference, State
from constate.errors import first_line
from constate.laws.law import Untested, attempt, differing, distance, law, require
from constate.state import Array, Kind, is_float, same_bits
from constate.subject import PROBE, Subject

OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "adam", "adamw")
SCOPES: tuple[Scope, ...] = ("trainable", "careless")
STEPS = 5
LONG = 200
MARKS = (20, 110, LONG)
"""The steps before which is counted what is alive; what a framework sets up is there after the first of them."""


@law("G01", "excluded", reports=["https://github.com/huggingface/transformers/issues/25989"])
def excluded(subject: Subject) -> str:
    """Nothing but parameters stands in the listing of what is trained."""
    seen = subject.backend.entries(subject.golden())
    parameters = subject.paths(Kind.PARAMETER)
    faults = [f"{path} is listed as trainable" for path in seen if seen[path].trainable and path not in parameters]
    faults += [f"{path} is not listed as trainable" for path in parameters if path in seen and not seen[path].trainable]
    return require(faults, f"the trainable listing {sorted(parameters)}")


@law("G02", "no gradient", reports=["https://github.com/patrick-kidger/equinox/issues/318"])
def no_gradient(subject: Subject) -> str:
    """No gradient reaches an entry that is not a parameter, in either mode."""
    faults = []
    for training in (False, True):
        cotangents = np.ones_like(subject.reference.apply(subject.state, subject.inputs, training)[0], np.float32)
        found = subject.backend.gradients(subject.golden(), subject.inputs, cotangents, training=training)
        strangers = set(found.by_path) - subject.paths(Kind.PARAMETER)
        mode = "training" if training else "eval"
        faults += [f"{path} has a gradient in {mode} mode" for path in sorted(strangers)]
    return require(faults, "gradients of parameters and of nothing else")


@law(
    "G03",
    "untouched",
    reports=["https://github.com/huggingface/diffusers/issues/1176"],
)
def untouched(subject: Subject) -> str:
    """What is not a parameter is bit-identical after 5 steps of SGD with momentum, Adam, AdamW with weight decay 0.1.

    Tried over the trainable listing and over the listing that a user in a hurry hands to the optimizer, since weight
    decay shrinks also what has no gradient. Statistics move as they do without an optimizer. A framework that refuses
    the careless listing keeps this law. The parameters, and one planted beside the module, have to move, else nothing
    was trained.
    """
    backend, batches = subject.backend, subject.batches(STEPS)
    plain = subject.golden()
    for batch in batches:
        _, plain = backend.forward(plain, *batch, training=True)
    expected = subject.read(plain)
    still = subject.paths(Kind.CONSTANT, Kind.DERIVED, Kind.COUNTER)
    moving = subject.paths(Kind.STATISTIC)
    faults = []
    for optimizer in OPTIMIZERS:
        for scope in SCOPES:
            how = f"{optimizer} over the {scope} listing"
            handle = subject.trainable()
            trainable = {path: backend.read(handle, path) for path in (PROBE, *sorted(subject.paths(Kind.PARAMETER)))}
            trained, error = attempt(backend.train, handle, batches, optimizer, scope)
            if error is not None:
                if scope == "trainable":
                    faults.append(f"{how}: {first_line(error)}")
                continue
            after = subject.read(trained.handle)
            faults += [f"{how}: {line}" for line in differing(after, {path: expected[path] for path in still})]
            for path in sorted(moving):
                # The pass inside a training step may be fused, so that a statistic may differ in its last bits.
                if distance(after[path], expected[path]) > 1e-6 * (1 + float(np.abs(expected[path]).max())):
                    faults.append(f"{how}: {path} is {distance(after[path], expected[path]):.3g} from its own update")
            faults += [f"{how}: {path} did not move" for path in trainable if same_bits(after[path], trainable[path])]
    return require(faults, "constants and counters with their bits, statistics with their own update, parameters moved")


@law("G04", "no slots", reports=["https://github.com/elixir-nx/axon/issues/453"])
def no_slots(subject: Subject) -> str:
    """The optimizer keeps no state for anything but parameters.

    Slots of constants cost memory, and show that the optimizer believes it may change them.
    """
    parameters = subject.paths(Kind.PARAMETER) | {PROBE}
    faults = []
    for optimizer in OPTIMIZERS:
        for scope in SCOPES:
            handle = subject.trainable()
            trained, error = attempt(subject.backend.train, handle, subject.batches(1), optimizer, scope)
            how = f"{optimizer} over the {scope} listing"
            if error is not None:
                if scope == "trainable":
                    faults.append(f"{how}: {first_line(error)}")
                continue
            faults += [f"{how}: {path} has a slot" for path in sorted(trained.slots - parameters)]
            faults += [f"{how}: {path} has no slot" for path in sorted(parameters - trained.slots)]
    return require(faults, f"slots for {', '.join(sorted(parameters))} and for nothing else")


def numerical_gradient(
    reference: Reference, state: State, inputs: tuple[Array, ...], cotangents: Array, training: bool
) -> tuple[dict[str, Array], list[Array | None]]:
    """Central differences of ``sum(outputs * cotangents)`` in float64: by parameter and by float input."""
    wide = {path: value.astype(np.float64) if is_float(value.dtype) else value for path, value in state.items()}
    arguments = [value.astype(np.float64) if is_float(value.dtype) else value for value in inputs]

    def along(array: Array) -> Array:
        gradient = np.empty(array.shape)
        flat, out = array.reshape(-1), gradient.reshape(-1)
        step = 1e-6
        for index in range(array.size):
            kept = flat[index]
            sums = []
            for side in (step, -step):
                flat[index] = kept + side
                sums.append(float((reference.apply(wide, tuple(arguments), training)[0] * cotangents).sum()))
            flat[index] = kept
            out[index] = (sums[0] - sums[1]) / (2 * step)
        return gradient

    parameters = [entry.path for entry in reference.entries() if entry.kind is Kind.PARAMETER]
    by_path = {path: along(wide[path]) for path in parameters}
    return by_path, [along(argument) if is_float(argument.dtype) else None for argument in arguments]


@law("G05", "transparent", reports=["https://github.com/pytorch/xla/issues/913"])
def transparent(subject: Subject) -> str:
    """Gradients to inputs and parameters equal the float64 reference, in both modes.

    The reference is differentiated numerically. State that is carried must not stand between the loss and what is
    trained: through the batch's own statistics a gradient does flow.
    """
    faults, largest = [], 0.0
    for training in (False, True):
        outputs, _ = subject.reference.apply(subject.state, subject.inputs, training)
        cotangents = np.random.default_rng(3).standard_normal(outputs.shape)
        expected, by_input = numerical_gradient(subject.reference, subject.state, subject.inputs, cotangents, training)
        found = subject.backend.gradients(
            subject.golden(), subject.inputs, cotangents.astype(np.float32), training=training
        )
        pairs = [(path, found.by_path.get(path), value) for path, value in expected.items()]
        pairs += [(f"input {i}", found.by_input[i], value) for i, value in enumerate(by_input) if value is not None]
        for name, ours, theirs in pairs:
            bound = 10 * subject.reference.bound * max(1.0, float(np.abs(theirs).max()))
            error = float("inf") if ours is None else distance(ours, theirs)
            largest = max(largest, error / bound)
            if not error <= bound:
                mode = "training" if training else "eval"
                what = "is missing" if ours is None else f"is off by {error:.3g}"
                faults.append(f"the gradient of {name} in {mode} mode {what} (bound {bound:.3g})")
    require(faults, "the gradients of the float64 reference")
    return f"gradients within {largest:.2g} of the bound, in both modes"


class _Watched(Sequence[tuple[Array, ...]]):
    """Batches, each new, that count what is alive when some of them are asked for, and when there are no more."""

    def __init__(self, subject: Subject, handle: Handle) -> None:
        self.seen: list[dict[str, int]] = []
        self._subject, self._handle = subject, handle

    def __len__(self) -> int:
        return LONG

    def __getitem__(self, step: Any) -> Any:
        if step in MARKS:
            self.seen.append(self._subject.backend.alive(self._handle))
        if step >= LONG:
            raise IndexError(step)
        return self._subject.reference.inputs(np.random.default_rng(step))


@law(
    "G06",
    "no leak",
    reports=[
        "https://github.com/pytorch/pytorch/issues/20275",
        "https://github.com/tensorflow/tensorflow/issues/124972",
    ],
)
def no_leak(subject: Subject) -> str:
    """Memory is flat over 200 training steps.

    A statistic that was not cut from the graph holds on to every step's graph; a list of losses to every loss. What is
    counted, in the middle of training, is what the framework keeps alive and what the module holds: arrays, their
    bytes, nodes of graphs, numbers. What grows in the first half and again in the second has no end.
    """
    handle = subject.trainable()
    batches = _Watched(subject, handle)
    subject.backend.train(handle, batches, "sgd", "trainable")
    if len(batches.seen) != len(MARKS):
        raise Untested(f"of {LONG} steps only some were taken")
    faults = []
    for what in batches.seen[0]:
        counts = [seen[what] for seen in batches.seen]
        if counts[0] < counts[1] < counts[2]:
            grew = ", then ".join(f"{count:,}" for count in counts)
            faults.append(f"{grew} {what} after {MARKS[0]}, {MARKS[1]} and {LONG} steps")
    require(faults, f"as much after {LONG} steps as after {MARKS[0]}")
    return ", ".join(f"{count:,} {what}" for what, count in batches.seen[-1].items()) + f" after {LONG} steps"


@law(
    "G07",
    "stays frozen",
    reports=[
        "https://github.com/jmclong/random-fourier-features-pytorch/issues/6",
        "https://github.com/mindspore-lab/mindone/pull/439",
    ],
)
def stays_frozen(subject: Subject) -> str:
    """What is not trained stays so when the module is frozen and set free again.

    Fine-tuning freezes and unfreezes whole modules; a constant kept as a switched-off parameter wakes up then.
    """
    backend = subject.backend
    handle = subject.golden()
    frozen = backend.freeze(handle, True)
    faults = [f"{path} is trainable while frozen" for path, seen in backend.entries(frozen).items() if seen.trainable]
    free = backend.freeze(frozen, False)
    parameters = subject.paths(Kind.PARAMETER)
    trainable = {path for path, seen in backend.entries(free).items() if seen.trainable}
    faults += [f"{path} woke up" for path in sorted(trainable - parameters)]
    faults += [f"{path} stayed frozen" for path in sorted(parameters - trainable)]
    return require(faults, "nothing trainable while frozen, and the parameters alone afterwards")
