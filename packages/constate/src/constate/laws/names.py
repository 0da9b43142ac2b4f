"""N. Names: what an entry may be called, and what may be put in it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from constate.errors import first_line
from constate.laws.law import attempt, differing, law, require
from constate.state import Array, Kind, flip_bits, same_bits
from constate.subject import Subject

VALUE = np.array([1.0, 2.0, 3.0], np.float32)


def _registering(subject: Subject, cases: Iterable[tuple[str, object]]) -> list[str]:
    """What is wrong with the refusals of these names: accepted, or refused and something changed. A backend that
    refuses every name refuses none for a reason, so that an ordinary one has to be accepted."""
    backend, faults = subject.backend, []
    _, error = attempt(backend.register, subject.golden(), "registered", VALUE)
    if error is not None:
        faults.append(f"the name 'registered' was refused as well ({first_line(error)})")
    for what, name in cases:
        handle = subject.golden()
        before = subject.read(handle)
        _, error = attempt(backend.register, handle, name, VALUE)
        if error is None:
            faults.append(what)
            continue
        after = subject.read(handle)
        faults += [f"{name!r} was refused, but {line}" for line in differing(after, before)]
        faults += [f"{name!r} was refused, but {path} is new" for path in after if path not in before]
    return faults


@law(
    "N01",
    "collision",
    reports=["https://github.com/pytorch/pytorch/issues/1874", "https://github.com/pytorch/pytorch/pull/185056"],
)
def collision(subject: Subject) -> str:
    """A name that collides with an attribute, parameter, submodule or method is refused.

    Else the new entry hides what the module needs, and the error comes later and elsewhere.
    """
    taken = subject.backend.taken(subject.golden()).items()
    faults = _registering(subject, [(f"the {what} {name!r} was replaced", name) for what, name in taken])
    return require(faults, f"each refused: {', '.join(f'the {what} {name!r}' for what, name in taken)}")


@law("N02", "illegal", reports=["https://github.com/keras-team/keras/issues/12195"])
def illegal(subject: Subject) -> str:
    """A name that is empty, not a string, or has the path separator in it is refused.

    Such an entry can be saved and not found again.
    """
    names = ("", 3, f"a{subject.backend.separator}b")
    faults = _registering(subject, [(f"the name {name!r} was accepted", name) for name in names])
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
    """Assigning another shape, dtype or type to an entry is refused, and changes nothing.

    A value of the entry's own shape and dtype has to be accepted, at least where the entry is no parameter, which some
    frameworks want wrapped.
    """
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
        if path not in subject.paths(Kind.PARAMETER):
            handle, error = attempt(backend.assign, subject.golden(), path, flip_bits(before[path]))
            if error is not None or not same_bits(backend.read(handle, path), flip_bits(before[path])):
                faults.append(f"{path} refused what fits as well")
    return require(faults, "each refused, and every entry as it was")
