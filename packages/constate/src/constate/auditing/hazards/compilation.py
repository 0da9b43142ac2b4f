"""C. Compilation: what is baked into a program."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from constate.auditing.audit import Audit
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards.hazard import hazard
from constate.errors import first_line
from constate.instruments import Baked
from constate.instruments.holdings import Holding
from constate.laws import NotApplicable, Untested
from constate.state import Array, same_bits

LITERAL_LIMIT = 1024


@hazard(
    "C06",
    fine="""A table that never changes, in a program that is compiled once: it costs memory and compile time only, and a
    person accepts it.""",
)
def baked_in(audit: Audit) -> Iterator[Finding]:
    """Literals above 1 KiB in the traced program of a pass in eval mode, each with the attribute that it comes from and
    its bytes: fail.

    A literal is a second copy of what the module holds, frozen at the value that it had when the program was traced; a
    load or an assignment afterwards is not seen, and large ones make compilation slow.
    """
    instruments, call = audit.instruments, audit.call
    handle = audit.fresh()
    try:
        found = instruments.literals(handle, call)
    except (NotApplicable, Untested):
        raise
    except Exception as error:
        raise Untested(f"the module cannot be traced: {first_line(error)}") from error
    large = [baked for baked in found if baked.nbytes > LITERAL_LIMIT]
    loose = audit.arrays(handle) | _plain(audit, handle) if large else {}
    reported = set()
    for baked in sorted(large, key=lambda baked: -baked.nbytes):
        where = _origin(audit, baked, loose)
        if where == baked.name:  # another name of an entry, such as an argument that a partial keeps
            where = _origin(audit, baked, _others(audit, handle))
        if where == baked.name and instruments.libraries:
            where = _origin(audit, baked, _others(audit, handle, libraries=True))
        path = where.path if isinstance(where, Holding) else where
        if path in reported and path:
            continue
        reported.add(path)
        message = f"{baked.nbytes:,} bytes of {baked.form} are a literal of the traced program"
        yield audit.about("C06", Severity.FAIL, where, message)


def _others(audit: Audit, handle: object, *, libraries: bool = False) -> dict[str, Holding]:
    instruments = audit.instruments
    everything = instruments.everything(handle, libraries=libraries)
    return {held.path: held for held in everything if instruments.is_array(held.value)}


def _plain(audit: Audit, handle: object) -> dict[str, Holding]:
    """The NumPy arrays, and the lists of numbers, that the module holds."""
    return {
        holding.path: holding
        for holding in audit.instruments.holdings(handle)
        if isinstance(holding.value, np.ndarray) or _is_numbers(holding.value)
    }


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], (int, float, list))


def _origin(audit: Audit, baked: Baked, loose: dict[str, Holding]) -> Holding | str:
    """What is held outside of the state and is this literal: by memory, by bits, by name."""
    for holding in loose.values():
        known = baked.identity and audit.instruments.is_array(holding.value)
        if known and audit.instruments.address(holding.value) == baked.identity:
            return holding
    if baked.value is not None:
        for holding in loose.values():
            if _alike(_bits(audit, holding), baked.value):
                return holding
    return next((holding for path, holding in loose.items() if path == baked.name), baked.name)


def _bits(audit: Audit, holding: Holding) -> Array:
    try:
        return np.asarray(holding.value) if isinstance(holding.value, list) else audit.bits(holding)
    except ValueError:  # lists of different lengths
        return np.zeros(0)


def _alike(held: Array, literal: Array) -> bool:
    """Whether a literal is what is held, as it is or in the narrower type that the framework computes in."""
    return same_bits(held, literal) or (
        held.shape == literal.shape and bool((held.astype(literal.dtype) == literal).all())
    )
