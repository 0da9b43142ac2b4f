"""A layer in words that every framework shares: what it is, and where its arrays are and in which order of axes.

A layer has *roles*, such as ``kernel`` or ``bias``, each with axes that have names: the kernel of a convolution has
``o i h w`` whatever the framework. A *piece* says where a framework keeps a role: in which entry, in which part of it,
and in which order of axes. Two pieces of one role are all that is needed to move it from one framework to another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

from constate.porting.slices import part_shape

Sizes: TypeAlias = dict[str, int]
"""How long named axes are."""

SPACE = {1: "w", 2: "h w", 3: "d h w"}
"""The names of the axes that a convolution runs along, by how many there are."""

LOOSE = "array"
"""The kind of an entry that belongs to no layer that is known."""

_GROUP = re.compile(r"\(([^()]*)\)|(\S+)")


@dataclass(frozen=True)
class Piece:
    """Where a role is kept."""

    entry: str
    """The path of the entry."""
    axes: str
    """The names of its axes as einops writes them: ``o i h w``; ``(heads dim) e`` for an axis that holds two."""
    at: str = ""
    """The part of the entry, as NumPy writes it: ``[0:64]``, ``[1, 64:]``, ``[::-1, ::-1]``,
    ``.reshape(4, 3, 16, 64)[:, 0]``. Empty for all of it."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """How long the axes are that share one, as far as the shape does not say so."""

    def lengths(self, shape: tuple[int, ...]) -> Sizes:
        """How long each named axis is in an entry of this shape. Raises ``ValueError`` where the two do not fit."""
        shape = part_shape(shape, self.at)
        groups = list(groups_of(self.axes))
        if len(groups) != len(shape):
            raise ValueError(f"{self.entry}{self.at} has the shape {list(shape)}, expected the axes {self.axes}")
        found: Sizes = {}
        for names, size in zip(groups, shape, strict=True):
            unknown = [name for name in names if name not in self.sizes]
            rest = size // max(1, prod(self.sizes[name] for name in names if name in self.sizes))
            here = {name: self.sizes.get(name, rest) for name in names}
            if len(unknown) > 1 or prod(here.values()) != size:
                raise ValueError(f"{self.entry}{self.at} has the shape {list(shape)}, expected the axes {self.axes}")
            found.update(here)
        return found


@dataclass(frozen=True)
class Layer:
    """One layer of a module."""

    path: str
    kind: str
    """``dense``, ``conv``, ``batch_norm``, …; ``array`` for an entry that belongs to no layer that is known."""
    roles: Mapping[str, tuple[Piece, ...]]
    """The pieces of each role. A role that is the sum of several arrays has several."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What has to agree for the layers to compute the same: numbers, texts, tuples of these."""
    composed: Mapping[str, str] = field(default_factory=dict)
    """Axes of roles that have parts here, and these in the order that counts in every framework: ``o`` is
    ``heads dim`` in an attention's projection, ``i`` is ``h w c`` where an image was flattened into the input."""

    def lengths(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Sizes]:
        """How long the axes of each role are, those that are composed of others included.

        Args:
            shapes: of the entries by path.

        Raises:
            ValueError: an entry has other axes than its piece says, or two pieces of a role are not of one size.
        """
        found: dict[str, Sizes] = {}
        for role, pieces in self.roles.items():
            every = [self._whole(piece.lengths(shapes[piece.entry])) for piece in pieces]
            if any(lengths != every[0] for lengths in every):
                raise ValueError(f"{self.path}: the parts of its {role} are of different sizes")
            found[role] = every[0]
        return found

    def _whole(self, lengths: Sizes) -> Sizes:
        whole = dict(lengths)
        for axis, parts in self.composed.items():
            if all(part in whole for part in parts.split()):
                whole[axis] = prod(whole[part] for part in parts.split())
        return whole

    def pieces(self) -> Iterator[Piece]:
        """All pieces of all roles."""
        for pieces in self.roles.values():
            yield from pieces

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it; ``from_json`` makes it again."""
        roles = {role: [[p.entry, p.axes, p.at, dict(p.sizes)] for p in pieces] for role, pieces in self.roles.items()}
        return {
            "path": self.path,
            "kind": self.kind,
            "roles": roles,
            "settings": dict(self.settings),
            "composed": dict(self.composed),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Layer:
        """The layer that ``to_json`` wrote."""
        roles = {role: tuple(Piece(*piece) for piece in pieces) for role, pieces in data["roles"].items()}
        settings = {name: _tuples(value) for name, value in data["settings"].items()}
        return cls(data["path"], data["kind"], roles, settings, data["composed"])


def inner(axis: str, count: int, other: int = 1) -> str:
    """The names of the parts of an axis that an array keeps as several: ``heads dim`` in an attention.

    Args:
        axis: ``i`` or ``o``.
        count: how many parts there are.
        other: how many the other axis of the array has.
    """
    if count == 1:
        return axis
    return "heads dim" if count == 2 and other == 1 else " ".join(f"{axis}{number}" for number in range(count))


def groups_of(axes: str) -> Iterator[list[str]]:
    """The names of the axes that share each dimension: ``(heads dim) e`` has two dimensions, ``1`` has no names."""
    for group in _GROUP.finditer(axes):
        names = (group[1] if group[2] is None else group[2]).split()
        yield [name for name in names if name != "1"]


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
