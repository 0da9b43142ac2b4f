"""Weights that a layer and its twin in another framework get alike, made of nothing but what the two have in common.

Two layers of one signature get the same values, so that a pass through twins gives the same arrays at the same places,
before it is known which layer is whose twin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import prod

import einops
import numpy as np

from constate.porting.layer import LOOSE, Layer, Piece, Sizes, groups_of
from constate.porting.slices import part
from constate.state import Array

Signature = tuple[str, tuple[tuple[str, tuple[tuple[str, int], ...]], ...]]
"""The kind of a layer, and the lengths of the axes of each role."""

OPTIONAL = frozenset({"count"})
"""Roles that not every framework has, and that nothing is computed from."""

TABLES = frozenset({"embedding", "value"})
"""Roles that may be each other's twins: positions are an embedding for one author and an array for another."""


def signature(layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> Signature:
    """What a layer has in common with its twin in every framework. Raises ``ValueError`` as ``Layer.lengths`` does."""
    roles = {role: _outer(layer, lengths) for role, lengths in layer.lengths(shapes).items() if role not in OPTIONAL}
    return layer.kind, tuple(sorted((role, tuple(sorted(sizes.items()))) for role, sizes in roles.items()))


def synthetic(
    layer: Layer, shapes: Mapping[str, tuple[int, ...]], *, own: bool = False
) -> dict[str, list[tuple[str, Array]]]:
    """The values of a layer: by entry, the parts of it and what they get, in float64.

    Args:
        layer: whose.
        shapes: of the entries by path.
        own: give every layer others, so that no two can be taken for each other.
    """
    found: dict[str, list[tuple[str, Array]]] = {}
    kind = signature(layer, shapes)[0]
    for role, lengths in layer.lengths(shapes).items():
        if role in OPTIONAL:
            continue
        outer = _outer(layer, lengths)
        names = sorted(outer)
        table = role in TABLES
        label = f"{[outer[name] for name in names]}" if table else f"{kind} {role} {[(n, outer[n]) for n in names]}"
        whole = _values(f"{label} {layer.path if own else ''}", role, outer)
        for number, piece in enumerate(layer.roles[role]):
            parts = layer.composed
            inside = {name for group in groups_of(piece.axes) for name in group}
            left = [f"({parts[name]})" if name in parts and name not in inside else name for name in names]
            given = {name: lengths[name] for name in inside}
            values = einops.rearrange(whole, f"{' '.join(left)} -> {piece.axes}", **given)
            found.setdefault(piece.entry, []).append((piece.at, values if number == 0 else np.zeros_like(values)))
    return found


def put(parts: list[tuple[str, Array]], array: Array) -> Array:
    """A copy of an array with these parts of it filled."""
    filled = np.array(array, order="C")
    for at, values in parts:
        part(filled, at)[...] = values.astype(array.dtype)
    return filled


def _outer(layer: Layer, lengths: Sizes) -> Sizes:
    """The axes that every framework has: one that is composed of others, and not these."""
    inner = {part for axis, parts in layer.composed.items() if axis in lengths for part in parts.split()}
    return {axis: size for axis, size in lengths.items() if axis not in inner}


def _values(label: str, role: str, sizes: Sizes) -> Array:
    """Values for which no pass dies away or grows."""
    seed = int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "little")
    drawn = np.random.default_rng(seed).standard_normal(tuple(sizes[name] for name in sorted(sizes)))
    if role.endswith("kernel"):
        outputs = {"o", "c", "m"} if "m" in sizes else {"o"}
        return np.asarray(drawn / np.sqrt(max(1, prod(size for name, size in sizes.items() if name not in outputs))))
    if role == "scale":
        return np.asarray(1 + 0.1 * drawn)
    if role == "variance":
        return np.asarray(np.exp(0.2 * drawn))
    return np.asarray(0.5 * drawn if role in TABLES else 0.1 * drawn)


def array_layer(path: str, shape: tuple[int, ...]) -> Layer:
    """An entry that belongs to no layer that is known, as a layer of its own."""
    names = (f"a{number}" for number in range(len(shape)))
    axes = " ".join("1" if size == 1 else next(names) for size in shape)
    return Layer(path, LOOSE, {"value": (Piece(path, axes),)})
