"""Which framework a factory's module is of, found without importing any framework that is not imported already."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from constate.errors import UsageError
from constate.instruments import Instruments

GROUP = "constate.instruments"
"""Entry points. A name with dots is that of the base class of the framework's modules; one without is a package, whose
instruments are for what no base class claims and are asked where that package is imported."""


def recognise(factory: Callable[[], Any]) -> tuple[type[Instruments], Any]:
    """The instruments for what a factory makes, and one of these, made without memory where that works.

    Raises:
        UsageError: what it makes is a module of no framework that is known and installed.
    """
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    # All are loaded before anything is made: some choose the devices, which are fixed when the framework first runs.
    present: list[type[Instruments]] = [point.load() for point in points if point.name.partition(".")[0] in sys.modules]
    for instruments in present:
        made = instruments.sketch(factory)
        if made is not None and (owner := _owner(made, points)) is not None:
            return owner, made
    made = factory()
    if (owner := _owner(made, points)) is not None:
        return owner, made
    form = f"{type(made).__module__}.{type(made).__qualname__}"
    known = ", ".join(sorted({point.dist.name for point in points if point.dist is not None})) or "none"
    raise UsageError(
        f"found a factory of {form}, expected one of a module of torch, flax, tensorflow, keras, or of a callable JAX "
        f"pytree; packages for frameworks that are installed here: {known}"
    )


def _owner(made: object, points: list[EntryPoint]) -> type[Instruments] | None:
    """The instruments of its nearest base class, whichever have sketched it: a Keras layer on torch is a
    ``torch.nn.Module`` too."""
    for point in _claims(made, points):
        instruments: type[Instruments] = point.load()
        if instruments.owns(made):
            return instruments
    return None


def _claims(made: object, points: list[EntryPoint]) -> Iterator[EntryPoint]:
    by_name = {point.name: point for point in points}
    for cls in type(made).__mro__:
        name = f"{cls.__module__}.{cls.__qualname__}"
        if name in by_name:
            yield by_name[name]
    yield from (point for point in points if "." not in point.name and point.name in sys.modules)
