"""C. Compilation: the compiled module is the module."""

from __future__ import annotations

import numpy as np

from constate.catalog import State
from constate.errors import Broken
from constate.laws.law import NotApplicable, distance, law, require
from constate.state import Array, is_float
from constate.subject import Subject

STEPS = 10
LITERAL_LIMIT = 1024


def _compare(subject: Subject, what: str, found: tuple[Array, State], expected: tuple[Array, State]) -> list[str]:
    bound = subject.reference.bound
    faults = []
    if (error := distance(found[0], expected[0])) > bound:
        faults.append(f"{what}: outputs differ by {error:.3g}")
    for path, value in expected[1].items():
        error = distance(found[1][path], value)
        if error > (bound if is_float(value.dtype) else 0):
            faults.append(f"{what}: {path} differs by {error:.3g}")
    return faults


@law("C01", "same", reports=["https://github.com/pytorch/pytorch/issues/100970"])
def same(subject: Subject) -> str:
    """The compiled module gives the outputs and the state of the eager one, in both modes."""
    backend, faults = subject.backend, []
    eager, compiled_handle = subject.golden(), subject.golden()
    compiled = backend.compile(compiled_handle)
    for training in (False, True, False):
        expected, eager = backend.forward(eager, *subject.inputs, training=training)
        found, compiled_handle = compiled(compiled_handle, *subject.inputs, training=training)
        mode = "training" if training else "eval"
        faults += _compare(subject, mode, (found, subject.read(compiled_handle)), (expected, subject.read(eager)))
    return require(faults, f"the same outputs and state within {subject.reference.bound:g}")


@law("C02", "seen", reports=["https://github.com/tensorflow/tensorflow/issues/44980"])
def seen(subject: Subject) -> str:
    """A change of state after compilation takes effect without a rebuild.

    A load after compilation changes the persistent entries; a program that has them baked in goes on with the old.
    """
    if not subject.persistent:
        raise NotApplicable("every entry is derived from the configuration, so that no load changes it")
    backend = subject.backend
    handle, eager = subject.golden(), subject.golden()
    compiled = backend.compile(handle)
    old, handle = compiled(handle, *subject.inputs)
    changed = {
        path: np.asarray(value / 2 + 0.25 if is_float(value.dtype) else value + 3, value.dtype)
        for path in subject.persistent
        for value in [subject.state[path]]
    }
    expected, _ = backend.forward(subject.put(eager, changed), *subject.inputs)
    if distance(expected, old) <= subject.reference.bound:
        raise Broken("a change of every entry that changes no output", "outputs that depend on the state")
    found, _ = compiled(subject.put(handle, changed), *subject.inputs)
    error = distance(found, expected)
    if error > subject.reference.bound:
        stale = " (the outputs of the old state)" if distance(found, old) <= subject.reference.bound else ""
        raise Broken(f"outputs {error:.3g} away from those of the new state{stale}", "the outputs of the new state")
    return f"outputs {error:.3g} away from those of the new state, {distance(found, old):.3g} from those of the old"


@law("C03", "no retrace", reports=["https://github.com/pytorch/pytorch/issues/128319"])
def no_retrace(subject: Subject) -> str:
    """Ten steps are not traced again; train and eval are two traces at most.

    A counter kept as a Python number is a new constant at every step, and the module is compiled at every step.
    """
    handle = subject.golden()
    compiled = subject.backend.compile(handle)
    for step, batch in enumerate(subject.batches(STEPS)):
        _, handle = compiled(handle, *batch, training=step % 2 == 0)
    if not 1 <= compiled.traces <= 2:
        raise Broken(f"{compiled.traces} traces in {STEPS} steps", "one or two traces")
    return f"{compiled.traces} traces in {STEPS} steps"


@law(
    "C06",
    "nothing captured",
    reports=["https://github.com/jax-ml/jax/issues/10585", "https://github.com/jax-ml/jax/pull/28157"],
)
def nothing_captured(subject: Subject) -> str:
    """No literal above 1 KiB is baked into the traced program.

    A captured array is a second copy of the state in every program, frozen at the value that it had when it was
    traced. Tried in a size at which every array of the module is above the limit.
    """
    large = subject.large()
    handle = large.backend.build(large.spec())
    captured = [size for size in large.backend.literals(handle, large.inputs) if size > LITERAL_LIMIT]
    return require([f"a literal of {size} bytes" for size in sorted(captured, reverse=True)], "none above 1,024 bytes")
