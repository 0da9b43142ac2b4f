"""S. Sharding: one module on several devices or in several processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from constate.backend import REPLICAS, Spread
from constate.laws.law import Untested, differing, distance, law, require
from constate.state import Array, is_float
from constate.subject import PROBE, Subject

STEPS = 3


def _spread(subject: Subject, state: Mapping[str, Array], steps: int) -> Spread:
    spread = subject.backend.spread(subject.spec(), state, subject.batches(steps), "sgd")
    for replicas in (spread.born, spread.trained):
        if len(replicas) < REPLICAS:
            raise Untested(f"of {REPLICAS} replicas there are {len(replicas)}")
    return spread


def _disagreements(replicas: Sequence[Mapping[str, Array]]) -> list[str]:
    """In what the replicas differ from the first, by bits."""
    first, *others = replicas
    faults = []
    for number, other in enumerate(others, 1):
        faults += [f"replica {number}: {line}" for line in differing(other, first)]
        faults += [f"replica {number}: {path} is not in the first" for path in other.keys() - first.keys()]
    return faults


# Something has to be trained: an engine for training refuses a module in which nothing is.
_TRAINED = {PROBE: np.array([0.5, -1.0, 2.0], np.float32)}


@law("S01", "agree at construction", reports=["https://github.com/pytorch/pytorch/issues/111138"])
def agree_at_construction(subject: Subject) -> str:
    """Replicas agree at construction.

    Every process makes the module for itself, and what its constructor draws at random, or reads, is its own. What the
    engine does not make equal before the first step stays different for good, and which of the replicas is right is
    decided by which of them is saved. Compared by bits, entries that are not saved included.
    """
    born = _spread(subject, _TRAINED, 0).born
    faults = [f"{path} is in no replica" for path in subject.declared if not any(path in state for state in born)]
    return require(faults + _disagreements(born), f"the same bits in all {len(born)} replicas before the first step")


@law(
    "S02",
    "agree after steps",
    reports=["https://github.com/pytorch/pytorch/issues/30718", "https://github.com/keras-team/keras/pull/20541"],
)
def agree_after_steps(subject: Subject) -> str:
    """After steps on different data replicas agree with each other and with the single-process run on the whole batch.

    Gradients are averaged by every engine. Statistics are a matter of the framework: where each replica has those of
    its own part of the batch, and normalises by them, they are statistics of fewer examples than the batch has, and the
    checkpoint depends on which replica is saved. Replicas are compared with each other by bits; with the run on the
    whole batch within the bounds that the catalogue states, and counters exactly.
    """
    state = {path: subject.state[path] for path in subject.persistent} | _TRAINED
    trained = _spread(subject, state, STEPS).trained
    backend, reference = subject.backend, subject.reference
    single = backend.train(backend.begun(subject.spec(), state), subject.batches(STEPS), "sgd", "trainable").handle
    faults, largest = _disagreements(trained), 0.0
    for path, expected in subject.read(single).items():
        bound = max(reference.bound, reference.statistics_bound) if is_float(expected.dtype) else 0.0
        errors = [distance(found[path], expected) if path in found else np.inf for found in trained]
        faults += [
            f"replica {number}: {path} is {error:.3g} away from the run on the whole batch (bound {bound:g})"
            for number, error in enumerate(errors)
            if not error <= bound
        ]
        largest = max(largest, *errors)
    require(faults, f"the same bits in all replicas after {STEPS} steps, and those of the run on the whole batch")
    return f"the same bits in all replicas after {STEPS} steps, {largest:.3g} away from the run on the whole batch"
