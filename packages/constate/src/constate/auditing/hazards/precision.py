"""D. Placement: what a cast to a narrower float type does to the outputs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np

from constate.auditing.audit import Audit, attempt_answer, gap
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.instruments import Held, Outputs
from constate.instruments.inputs import Inputs
from constate.laws import NotApplicable
from constate.state import Array, dtype_named, is_float

ROUNDED = ("bfloat16", "float16")
EPSILON = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
LONG = (2048, 512)
"""Lengths that are tried in the place of every dimension, because what is in use in the end is longer than a test."""
LARGEST = 300_000
"""Elements of an input of such a length, at the most."""


@hazard(
    "D07",
    fine="""A constant whose rounding changes the outputs by about as much as rounding everything else does, such as a
    table of sines; one that a cast leaves alone; a module that is never cast.""",
)
def rounded_constants(audit: Audit) -> Iterator[Finding]:
    """Constants that a cast to bfloat16 or float16 rounds, and outputs that suffer: fail.

    The judgement is of the output and not of the entry: the module computes in its own type, with the constants
    rounded and everything else not. The outputs are off by more than twelve units of rounding and by more than four
    times what rounding all parameters and inputs does, or are no numbers any more. Tried on the given inputs and, where
    the module takes them, on lengths up to 2,048, since rounded frequencies show at large positions. Where the inputs
    stand for positions or times, their range is part of what is given: ``i64[8]<1000``.
    """
    audit.require_repeatable()
    instruments = audit.instruments
    assert instruments.inputs is not None
    reported: set[str] = set()
    tried = False
    for dtype in ROUNDED:
        after = instruments.entries(instruments.cast(audit.fresh(), dtype))
        constants = {
            path: held
            for path, held in audit.entries.items()
            if is_float(held.dtype)
            and (not held.trainable or (not instruments.explicit and audit.constant(path)))
            and path in after
            and after[path].dtype == dtype
            and dtype_named(held.dtype).itemsize > 2
        }
        if not constants:
            continue
        tried = True
        for inputs in _ranges(audit, instruments.inputs):
            for path, said in _hurt(audit, inputs, constants, dtype):
                if path not in reported:
                    reported.add(path)
                    yield audit.about("D07", Severity.FAIL, constants[path], said)
    if not tried:
        raise NotApplicable("no constant follows a cast")


def _ranges(audit: Audit, inputs: Inputs) -> Iterator[Inputs]:
    """The inputs as they are, and in the two longest forms that the module takes in a quarter of a second."""
    yield inputs
    found = 0
    for axes in sorted(inputs.axes(), key=lambda axes: min(axis for _, axis in axes) == 0):  # the batch last
        for long in LONG:
            longer = inputs.resized(axes, long)
            if inputs.size(axes) >= long or max((a.size for a in _arrays(longer)), default=0) > LARGEST:
                continue
            begun = time.perf_counter()
            _, error = attempt_answer(lambda longer=longer: audit.answer(audit.fresh(), longer.first()))  # type: ignore[misc]
            if error is None and time.perf_counter() - begun < 0.25:
                yield longer
                found += 1
                break
        if found == 2:
            return


def _arrays(inputs: Inputs) -> list[Array]:
    found: list[Array] = []

    def note(leaf: object) -> object:
        if isinstance(leaf, np.ndarray):
            found.append(leaf)
        return leaf

    inputs.first().map(note)
    return found


def _hurt(audit: Audit, inputs: Inputs, constants: Mapping[str, Held], dtype: str) -> Iterator[tuple[str, str]]:
    """The constants whose rounding hurts, each with what happens; where they hurt only together, the worst of them."""
    narrow = dtype_named(dtype)
    state = audit.pristine(0)

    def rounded(array: Array) -> Array:
        with np.errstate(all="ignore"):
            return array.astype(narrow).astype(array.dtype)

    def with_rounded(paths: set[str]) -> Outputs | None:
        handle = audit.put(audit.fresh(), {path: rounded(state[path]) for path in paths})
        return attempt_answer(lambda: audit.answer(handle, inputs.first()))[0]

    exact = audit.answer(audit.fresh(), inputs.first())
    trained = {
        p: rounded(state[p])
        for p, h in audit.entries.items()
        if h.trainable and p not in constants and is_float(h.dtype)
    }
    elsewhere, _ = attempt_answer(
        lambda: audit.answer(audit.put(audit.fresh(), trained), inputs.first().floats(rounded))
    )
    usual = gap(elsewhere, exact) if elsewhere is not None else 0.0
    bound = max(12 * EPSILON[dtype], 4 * min(usual, 1.0))
    together = _error(with_rounded(set(constants)), exact)
    if together <= bound:
        return
    errors = {path: _error(with_rounded({path}), exact) for path in constants}
    hurt = {path: error for path, error in errors.items() if error > bound}
    for path, error in (hurt or {max(errors, key=lambda path: errors[path]): together}).items():
        how = "are no longer finite" if error == float("inf") else f"are off by {error:.2g} of their size"
        yield (
            path,
            f"a cast to {dtype} rounds it, and the outputs {how}; rounding all parameters and inputs costs {usual:.2g}",
        )


def _error(found: Outputs | None, exact: Outputs) -> float:
    """How far outputs are off; infinitely, where the pass fails."""
    return float("inf") if found is None else gap(found, exact)
