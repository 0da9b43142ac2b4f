"""Dense layers of which one module has several in one: an attention's projections to queries, keys and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from constate.porting.described import Described
from constate.porting.layer import Layer, Piece
from constate.porting.layering import Called
from constate.porting.pairing import Paired

PARTS = {3: ("query", "key", "value"), 2: ("key", "value")}
"""The names of the parts, in the order in which they are kept."""


def fused(paired: Paired, source: Described, target: Described) -> tuple[dict[str, int], dict[str, int]]:
    """The layers of the source and of the target that have no twin, and of how many such layers of the other side each
    may be made."""
    return (
        _of(paired.source_alone, source, paired.target_alone, target),
        _of(paired.target_alone, target, paired.source_alone, source),
    )


def _of(layers: tuple[Layer, ...], side: Described, others: tuple[Layer, ...], other_side: Described) -> dict[str, int]:
    there = [_form(layer, other_side) for layer in others if layer.kind == "dense"]
    found = {}
    for layer in layers:
        whole = layer.kind == "dense" and not layer.composed and not any(piece.at for piece in layer.pieces())
        for count in PARTS if whole else ():
            taken, given, bias = _form(layer, side)
            if given % count == 0 and there.count((taken, given // count, bias)) >= count:
                found[layer.path] = count
                break
    return found


def _form(layer: Layer, side: Described) -> tuple[int, int, bool]:
    """How much a dense layer takes and gives, and whether it has a bias."""
    lengths = layer.lengths(side.shapes).get("kernel", {})
    return lengths.get("i", 0), lengths.get("o", 0), "bias" in layer.roles


def parted(layer: Layer, count: int, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Layer]:
    """The layers that one is made of."""
    for number, name in enumerate(PARTS[count]):
        roles = {role: tuple(_part(p, number, count, shapes) for p in ps) for role, ps in layer.roles.items()}
        yield replace(layer, path=_path(layer.path, name), roles=roles)


def calls_of(call: Called, count: int) -> Iterator[Called]:
    """The calls of the parts in a call of the whole: what goes in is the same, what comes out of each is not seen."""
    for name in PARTS[count]:
        yield replace(call, layer=_path(call.layer, name), given=None)


def _path(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _part(piece: Piece, number: int, count: int, shapes: Mapping[str, tuple[int, ...]]) -> Piece:
    axis = piece.axes.split().index("o")
    size = shapes[piece.entry][axis] // count
    return replace(piece, at=f"[{':, ' * axis}{number * size}:{(number + 1) * size}]")
