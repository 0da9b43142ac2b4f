"""What becomes of the entries of a module in its twin: rows, what is left out and what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from constate.errors import UsageError, nearest
from constate.porting.rows import Row
from constate.porting.slices import part, parted
from constate.state import Array, dtype_named

Forms: TypeAlias = Mapping[str, tuple[tuple[int, ...], str]]
"""The shape and the dtype of each entry by path."""


@dataclass(frozen=True)
class WeightMap:
    """Every entry of both modules: in a row, or named as one that goes nowhere or stays."""

    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()
    """Entries of the source that go nowhere."""
    kept: tuple[str, ...] = ()
    """Entries of the target that stay as its factory makes them."""

    def require_whole(self, source: Forms, target: Forms) -> None:
        """Raise ``UsageError`` unless every element of the target is filled once or kept, and every element of the
        source used or left out."""
        _known(self.left_out, source, "left_out", "source")
        _known(self.kept, target, "kept", "target")
        filled = _counts(target, (row.target for row in self.rows), "target")
        used = _counts(source, (name for row in self.rows for name in row.sources), "source")
        for path, count in filled.items():
            if path in self.kept:
                if count.any():
                    raise UsageError(f"{path} of the target is in kept and in a row; expected one of the two")
            elif not (count == 1).all():
                twice = bool((count > 1).any())
                raise UsageError(
                    f"{path} of the target is filled {'more than once' if twice else 'by no row'}"
                    f"{'' if twice or not count.any() else ' in part'}; expected once, or its name in kept"
                )
        for path, count in used.items():
            if path in self.left_out:
                if count.any():
                    raise UsageError(f"{path} of the source is in left_out and in a row; expected one of the two")
            elif not count.all():
                part = "in part " if count.any() else ""
                raise UsageError(
                    f"{path} of the source is {part}used by no row; expected a row, or its name in left_out"
                )

    def filled(self, source: Mapping[str, Array], target: Forms) -> dict[str, Array]:
        """The arrays of the target, without those that are kept.

        Raises:
            UsageError: a row does not fit.
        """
        found: dict[str, Array] = {}
        for row in self.rows:
            path, at = parted(row.target)
            shape, name = target[path]
            dtype = dtype_named(name)
            values = row.filled(source, dtype)
            here = part(found.setdefault(path, np.empty(shape, dtype)), at)
            if row.sources and here.shape != values.shape:
                raise UsageError(
                    f"the row that fills {row.target}: found an array of the shape {list(values.shape)}, expected "
                    f"{list(here.shape)}"
                )
            here[...] = values
        return found

    def pulled(self, gradients: Mapping[str, Array], source: Mapping[str, Array]) -> dict[str, Array]:
        """The gradients of the source that follow from those of the target.

        Args:
            gradients: by path of the target, zero where one is missing.
            source: the arrays of the source by path, of which only the shapes count.
        """
        found: dict[str, Array] = {}
        for row in self.rows:
            path, at = parted(row.target)
            if path not in gradients:
                continue
            for name, pulled in row.pulled(part(gradients[path], at), source).items():
                of, where = parted(name)
                here = part(found.setdefault(of, np.zeros(source[of].shape, pulled.dtype)), where)
                here += pulled
        return found


def _known(names: Iterable[str], forms: Forms, key: str, side: str) -> None:
    for name in names:
        if name not in forms:
            raise UsageError(f"{key}: the {side} has no entry {name}{nearest(name, forms)}")


def _counts(forms: Forms, names: Iterable[str], side: str) -> dict[str, Array]:
    """How often each element of each entry is named."""
    found = {path: np.zeros(shape, np.int8) for path, (shape, _) in forms.items()}
    for name in names:
        path, at = parted(name)
        if path not in found:
            raise UsageError(f"a row names {path}, which the {side} has not{nearest(path, found)}")
        try:
            here = part(found[path], at)
        except ValueError:
            raise UsageError(f"a row names {name}; {path} has the shape {list(forms[path][0])}") from None
        np.minimum(here + 1, 2, out=here)
    return found
