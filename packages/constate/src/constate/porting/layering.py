"""What a package says about the layers of its framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from constate import checkpoint
from constate.checkpoint.formats import SEPARATOR_NOTE, Form, get_format, open_checkpoint
from constate.checkpoint.formats.recognising import SUFFIXES, by_suffix
from constate.errors import UsageError
from constate.instruments import Handle, Instruments
from constate.porting.layer import Layer
from constate.state import Array

GROUP = "constate.layerings"
"""Entry points, named as the backends."""

Moments: TypeAlias = tuple[float, float]
"""The mean and the root of the mean square of an array."""


@dataclass(frozen=True)
class Called:
    """One call of a layer in a pass, with what is the same in every layout of the arrays."""

    layer: str
    """The path of the layer."""
    shape: tuple[int, ...]
    """Of the first array that went in; empty where that is not known."""
    taken: Moments | None
    """The mean and the root of the mean square of that; ``None`` where the values were not known."""
    given: Moments | None
    """Those of the first array that came out."""
    flattened: Mapping[str, int] = field(default_factory=dict)
    """The axes of the image that was flattened into the input, in their order there, as far as that was seen."""

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Called:
        """What ``to_json`` wrote."""
        numbers = {key: None if data[key] is None else tuple(data[key]) for key in ("taken", "given")}
        return cls(data["layer"], tuple(data["shape"]), numbers["taken"], numbers["given"], data["flattened"])


def moments(array: Array | None) -> Moments | None:
    """The mean and the root of the mean square of an array; ``None`` of one without numbers."""
    if array is None or array.size == 0 or array.dtype.kind not in "fiub":
        return None
    wide = array.astype(np.float64)
    return float(wide.mean()), float(np.sqrt(np.mean(wide**2)))


class Layering(ABC):
    """One framework's layers: which there are, where each keeps its arrays, and which a pass calls.

    Handles are those of the instruments of an audit of the same framework; paths are those of their entries.
    """

    channels_last: ClassVar[bool] = True
    """Whether the framework's convolutions take the channels last unless told otherwise."""

    formats: ClassVar[tuple[str, ...]]
    """The framework's own formats that it writes."""
    separator: ClassVar[str] = "/"
    """What stands between the levels of names in the framework's own files."""

    def __init__(self, instruments: Instruments) -> None:
        self.instruments = instruments

    @abstractmethod
    def layers(self, handle: Handle) -> list[Layer]:
        """The layers that are known, in the order in which the module has them. Entries of none may be left."""

    @abstractmethod
    def recorded(self, handle: Handle) -> AbstractContextManager[list[Called]]:
        """While it is entered, passes of the module note every call of a layer, in order."""

    @abstractmethod
    def undisturbed(self, handle: Handle) -> AbstractContextManager[Handle]:
        """The module with nothing random in its passes: dropout is off, also in training mode."""

    @abstractmethod
    def wide(self, handle: Handle) -> AbstractContextManager[Handle]:
        """The module in float64, in which rounding hides nothing. Raises whatever keeps it from that."""

    @abstractmethod
    def save_own(self, handle: Handle, path: Path) -> None:
        """Save the module by constate's verb for its framework."""

    def names(self, handle: Handle) -> dict[str, str]:
        """The name that each saved entry has in the framework's own files, with ``/`` between levels, by path."""
        return {path: path for path, entry in self.instruments.entries(handle).items() if entry.persistent}

    def load(self, handle: Handle, path: Path) -> Handle:
        """Load a checkpoint of the module, all of it: one of constate, or of whatever format that has its names.

        Raises:
            ConstateError: the file is damaged, or has a missing, unexpected, wrong-shape or wrong-dtype entry.
        """
        entries = self.instruments.entries(handle)
        own = self.names(handle)
        with open_checkpoint(path) as reader:
            there = reader.entries()
            known = own if set(there) == set(own.values()) else dict(zip(own, own, strict=True))
            forms = {known[name]: (entries[name].shape, entries[name].dtype) for name in known}
            arrays = {name: reader.read(name) for name in there}
        checkpoint.check(path, arrays, forms)
        for name, place in known.items():
            handle = self.instruments.write(handle, name, arrays[place])
        return handle

    def save(self, handle: Handle, path: Path) -> None:
        """Save a checkpoint in the format that the end of its name says: constate's own (``.safetensors``), or one of
        the framework's.

        Raises:
            ConstateError: the format is unknown or only read, or the path cannot be written; nothing is left.
        """
        format = self.format_of(path)
        if format == "constate":
            self.save_own(handle, path)
            return
        arrays = {name: self.instruments.read(handle, own) for own, name in self.names(handle).items()}
        forms = {name: Form(array.shape, str(array.dtype)) for name, array in arrays.items()}
        get_format(format).write_with(path, forms, arrays.items(), {SEPARATOR_NOTE: self.separator})

    def format_of(self, path: Path) -> str:
        """The format that the end of a name says. Raises ``UsageError`` where it is none of this framework's."""
        known = {suffix: format for suffix, format in SUFFIXES.items() if format in ("constate", *self.formats)}
        format = by_suffix(path)
        if format not in known.values():
            raise UsageError(
                f"{path}: its name says no format of {self.instruments.backend}; expected an end such as "
                f"{', '.join(known)}"
            )
        assert format is not None
        return format


def layering_of(instruments: Instruments) -> Layering:
    """What the package of a framework says about its layers.

    Raises:
        UsageError: for this framework nothing is said.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if instruments.backend not in points:
        known = ", ".join(sorted(points)) or "none"
        raise UsageError(
            f"found a module of {instruments.backend}, expected one of a framework with known layers: {known}"
        )
    kind: type[Layering] = points[instruments.backend].load()
    return kind(instruments)
