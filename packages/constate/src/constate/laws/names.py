"""N. Names: what an entry may be called, and what may be put in it."""

from __future__ import annotations

import numpy as np

from constate.laws.law import attempt, differing, law, require
from constate.state import Array, same_bits
from constate.subject import Subject

VALUE = np.array([1.0, 2.0, 3.0], np.float32)


@law(
    "N01",
    "collision",
    reports=["https://github.com/pytorch/pytorch/issues/1874", "https://github.com/pytorch/pytorch/pull/185056"],
)
def collision(subject: Subject) -> str:
    """A name that collides with an attribute, parameter, submodule or method is refused.

    Else the new entry hides what the module needs, and the error comes later and elsewhere.
    """
    faults = []
    for what, name in subject.backend.taken(subject.golden()).items():
        _, error = attempt(subject.backend.register, subject.golden(), name, VALUE)
        if error is None:
            faults.append(f"the {what} {name!r} was replaced")
    return require(faults, "each refused")


@law("N02", "illegal", reports=["https://github.com/keras-team/keras/issues/12195"])
def illegal(subject: Subject) -> str:
    """A name that is empty, not a string, or has the path separator in it is refused.

    Such an entry can be saved and not found again.
    """
    faults = []
    for name in ("", 3, f"a{subject.backend.separator}b"):
        _, error = attempt(subject.backend.register, subject.golden(), name, VALUE)
        if error is None:
            faults.append(f"the name {name!r} was accepted")
    return require(faults, "each refused")


@law("N03", "re-registration")
def re_registration(subject: Subject) -> str:
    """Registering a name again is refused unless asked for."""
    backend = subject.backend
    once = backend.register(subject.golden(), "registered", VALUE)
    faults = []
    _, error = attempt(backend.register, once, "registered", VALUE + 1)
    if error is None:
        faults.append("a second registration replaced the first in silence")
    elif not same_bits(backend.read(once, "registered"), VALUE):
        faults.append("the refused registration changed the entry")
    once = backend.register(subject.golden(), "registered", VALUE)
    again, error = attempt(backend.register, once, "registered", VALUE + 1, replace=True)
    if error is not None or not same_bits(backend.read(again, "registered"), VALUE + 1):
        faults.append("a replacement that was asked for was not made")
    return require(faults, "a refusal, and a replacement when asked for")


def _unfit(value: Array) -> dict[str, object]:
    other = np.int32 if value.dtype != np.int32 else np.float32
    return {
        "another shape": np.zeros((5, *value.shape), value.dtype),
        "another dtype": np.zeros(value.shape, other),
        "another type": "a string",
    }


@law("N04", "assignment", reports=["https://github.com/pytorch/pytorch/issues/126000"])
def assignment(subject: Subject) -> str:
    """Assigning another shape, dtype or type to an entry is refused, and changes nothing."""
    backend, faults = subject.backend, []
    before = subject.read(subject.golden())
    for path in subject.declared:
        for what, value in _unfit(before[path]).items():
            handle = subject.golden()
            _, error = attempt(backend.assign, handle, path, value)
            if error is None:
                faults.append(f"{path} accepted {what}")
            else:
                faults += [f"{path} refused {what}, but {line}" for line in differing(subject.read(handle), before)]
    return require(faults, "each refused, and every entry as it was")
