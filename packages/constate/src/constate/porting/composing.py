"""The rows that move the arrays of a layer to its twin."""

from __future__ import annotations

from collections.abc import Iterator

from constate.porting.described import Described
from constate.porting.layer import LOOSE, Layer, Piece, Sizes, groups_of
from constate.porting.pairing import Paired
from constate.porting.rows import Row
from constate.porting.synthetic import OPTIONAL
from constate.porting.weight_map import WeightMap


def compose(source: Described, target: Described, paired: Paired) -> WeightMap:
    """The rows of all pairs. What is not trained and has no twin is left out or kept; what is trained and has none is
    in no row and in no list, so that the map is not whole."""
    rows = [row for ours, theirs in paired.pairs for row in rows_of(ours, theirs, source, target)]
    spare = (_spare(source, paired.source_alone, 0, paired), _spare(target, paired.target_alone, 1, paired))
    return WeightMap(tuple(rows), *spare)


def rows_of(ours: Layer, theirs: Layer, source: Described, target: Described) -> Iterator[Row]:
    """The rows of one pair."""
    lengths = ours.lengths(source.shapes), theirs.lengths(target.shapes)
    for role, pieces in theirs.roles.items():
        if role in OPTIONAL:
            continue
        sizes = {**lengths[1][role], **lengths[0][role]}
        left = [_spelled(piece, ours, theirs) for piece in ours.roles[role]]
        right = _spelled(pieces[0], theirs, ours)
        pattern = "" if left[0] == right else f"{left[0]} -> {right}"
        given = _given(left[0], sizes) if pattern else {}
        turned = _turned(pieces[0].at) and all(piece.at == pieces[0].at for piece in ours.roles[role])
        names = [piece.entry if turned else f"{piece.entry}{piece.at}" for piece in (pieces[0], *ours.roles[role])]
        yield Row(names[0], tuple(names[1:]), pattern, given)
        for other in pieces[1:]:
            yield Row(f"{other.entry}{other.at}", value=0.0)


def _spelled(piece: Piece, own: Layer, other: Layer) -> str:
    """The axes of a piece, with the parts of those that are composed in the other layer."""
    for axis, parts in other.composed.items():
        if axis not in own.composed:
            words = [f"({parts})" if word == axis else word for word in piece.axes.split()]
            piece = Piece(piece.entry, " ".join(words))
    return piece.axes


def _given(axes: str, sizes: Sizes) -> Sizes:
    """The lengths that the shape does not say: of all that share an axis but the last."""
    return {name: sizes[name] for group in groups_of(axes) for name in group[:-1]}


def _turned(at: str) -> bool:
    """Whether a part is all of an array in reverse order."""
    return bool(at) and all(part.strip() in ("::-1", ":") for part in at.strip("[]").split(","))


def _spare(side: Described, alone: tuple[Layer, ...], number: int, paired: Paired) -> tuple[str, ...]:
    """The entries that no row is needed for: what is optional, and what is not trained and belongs to no layer."""
    found = [
        piece.entry
        for both in paired.pairs
        for role, pieces in both[number].roles.items()
        if role in OPTIONAL
        for piece in pieces
    ]
    found += [layer.path for layer in alone if layer.kind == LOOSE and not side.entries[layer.path].trainable]
    return tuple(found)
