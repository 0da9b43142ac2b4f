"""One row of a mapping: an entry of the target, or a part of it, and what it is filled with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import einops
import numpy as np

from constate.errors import UsageError
from constate.porting.slices import part, parted, place
from constate.state import Array


@dataclass(frozen=True)
class Row:
    """``target = rearrange(source + source + …)``, or a number everywhere.

    It is linear, so that it says what becomes of gradients too, which go the other way: ``pulled``.
    """

    target: str
    """An entry of the target, with or without a part: ``lstm.weight_ih_l0[0:64]``."""
    sources: tuple[str, ...] = ()
    """Entries of the source, with or without a part. Several are added up."""
    rearrange: str = ""
    """As einops writes it: ``o i h w -> h w i o``. Empty: as it is."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """How long the axes are of which the shape does not say so."""
    value: float | None = None
    """What fills it where there is no source."""

    def filled(self, source: Mapping[str, Array], dtype: np.dtype[Any]) -> Array:
        """What the row puts into the target.

        Args:
            source: the arrays of the source by path.
            dtype: of the target's entry.

        Raises:
            UsageError: the source has no such entry, or it does not have these axes, or another dtype.
        """
        if not self.sources:
            return np.asarray(self.value, dtype)
        found = [self._rearranged(self._part(name, source)) for name in self.sources]
        for name, array in zip(self.sources, found, strict=True):
            if array.dtype != dtype:
                raise self._refusal(f"{name} has the dtype {array.dtype}, expected {dtype}; cast the source first")
            if array.shape != found[0].shape:
                raise self._refusal(f"{name} has the shape {list(array.shape)}, expected {list(found[0].shape)}")
        return found[0] if len(found) == 1 else np.asarray(sum(found[1:], found[0]), dtype)

    def pulled(self, gradient: Array, source: Mapping[str, Array]) -> dict[str, Array]:
        """The gradient of each source, as it follows from that of what the row fills.

        Args:
            gradient: of the target's entry, or of the part that the row fills.
            source: the arrays of the source by path, of which only the shapes count.

        Returns:
            By name as in ``sources``; each of the shape of its part.
        """
        found: dict[str, Array] = {}
        for name in self.sources:
            here = self._part(name, source)
            places = self._rearranged(np.arange(here.size).reshape(here.shape))
            pulled = np.zeros(here.size, gradient.dtype)
            pulled[places.reshape(-1)] = gradient.reshape(-1)
            found[name] = found.get(name, 0) + pulled.reshape(here.shape)
        return found

    def _part(self, name: str, source: Mapping[str, Array]) -> Array:
        path, at = parted(name)
        if path not in source:
            raise self._refusal(f"the source has no entry {path}")
        try:
            return part(source[path], at)
        except ValueError:
            raise self._refusal(f"{path} has the shape {list(source[path].shape)}, which has no part {at}") from None

    def _rearranged(self, array: Array) -> Array:
        if not self.rearrange:
            return array
        try:
            return np.asarray(einops.rearrange(array, self.rearrange, **self.sizes))
        except (einops.EinopsError, ValueError, TypeError) as error:
            why = str(error).strip().splitlines()[-1]
            raise self._refusal(
                f"an array of the shape {list(array.shape)} cannot be rearranged by {self.rearrange!r}: {why}"
            ) from None

    def _refusal(self, why: str) -> UsageError:
        return UsageError(f"the row that fills {self.target}: {why}")

    def to_toml(self) -> dict[str, Any]:
        """The keys of its table."""
        table: dict[str, Any] = {"target": self.target}
        if self.sources:
            table["source"] = self.sources[0] if len(self.sources) == 1 else list(self.sources)
        if self.rearrange:
            table["rearrange"] = self.rearrange
        if self.sizes:
            table["sizes"] = dict(self.sizes)
        if self.value is not None:
            table["value"] = self.value
        return table

    @classmethod
    def from_toml(cls, table: Any) -> Row:
        """The row that a table of a mapping file says. Raises ``UsageError`` where it says none."""
        if not isinstance(table, dict) or not isinstance(table.get("target"), str):
            raise UsageError(f'found the row {table!r}, expected one with target = "..." and source = "..."')
        name = table["target"]
        source = table.get("source", [])
        sources = [source] if isinstance(source, str) else source
        sizes, value = table.get("sizes", {}), table.get("value")
        wrong = [
            key
            for key, right in {
                "source": isinstance(sources, list) and all(isinstance(each, str) for each in sources),
                "rearrange": isinstance(table.get("rearrange", ""), str),
                "sizes": isinstance(sizes, dict) and all(type(size) is int for size in sizes.values()),
                "value": value is None or type(value) in (int, float),
                **dict.fromkeys(table.keys() - {"target", "source", "rearrange", "sizes", "value"}, False),
            }.items()
            if not right
        ]
        if wrong:
            raise UsageError(
                f"the row that fills {name}: found {wrong[0]} = {table.get(wrong[0])!r}, expected source (a name or a "
                "list of names), rearrange (a text), sizes (a table of whole numbers) or value (a number)"
            )
        if bool(sources) == (value is not None):
            raise UsageError(f"the row that fills {name}: expected either a source or a value")
        for text in (name, *sources):
            try:
                place(parted(text)[1])
            except ValueError as error:
                raise UsageError(f"the row that fills {name}: {error}") from None
        return cls(name, tuple(sources), table.get("rearrange", ""), sizes, value)
