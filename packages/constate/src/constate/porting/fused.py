"""Dense layers of which one module has several in one: an attention's projections to queries, keys and values.

Some authors keep them one after the other, others head by head: query, key and value of the first head, then those of
the second. The weights look alike in both, so that the order is that in which more of what comes out agrees. It is one
for all of a module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from constate.porting.described import Described
from constate.porting.layer import Layer, Piece
from constate.porting.layering import Called
from constate.porting.pairing import Paired, agreeing, pair

PARTS = {3: ("query", "key", "value"), 2: ("key", "value")}
"""The names of the parts, in the order in which they are kept."""

Cut: TypeAlias = tuple[int, int]
"""Of how many layers one is made, and for how many heads they take turns; one where each is in one block."""
Again: TypeAlias = Callable[[Mapping[str, Cut]], Described]
"""Describes a module with some of its layers, by path, cut."""


def taken_apart(source: Described, target: Described, again: tuple[Again, Again]) -> tuple[Described, Described]:
    """Both modules, with the layers cut that one has in one and the other has not."""
    paired = pair(source, target)
    ours = _of(paired.source_alone, source, paired.target_alone, target)
    theirs = _of(paired.target_alone, target, paired.source_alone, source)
    if not ours and not theirs:
        return source, target
    best, most = (source, target), -1
    for heads in (1, *_heads(paired, source, target, {**ours, **theirs})):
        here = again[0]({path: (count, heads) for path, count in ours.items()}) if ours else source
        there = again[1]({path: (count, heads) for path, count in theirs.items()}) if theirs else target
        agree, of = agreeing(pair(here, there), here, there)
        if agree > most:
            best, most = (here, there), agree
        if agree == of:
            break
    return best


def _of(layers: tuple[Layer, ...], side: Described, others: tuple[Layer, ...], other_side: Described) -> dict[str, int]:
    """The layers without a twin, and of how many such layers of the other side each may be made."""
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


def _heads(paired: Paired, source: Described, target: Described, counts: Mapping[str, int]) -> list[int]:
    """The numbers of heads that the layers without a twin say, or else all that there can be."""
    said: set[int] = set()
    sizes: set[int] = set()
    for side, layers in ((source, paired.source_alone), (target, paired.target_alone)):
        for layer in layers:
            if layer.path in counts:
                sizes.add(_form(layer, side)[1] // counts[layer.path])
            elif layer.kind == "dense":
                said |= {layer.settings.get("heads", 1), layer.lengths(side.shapes)["kernel"].get("heads", 1)}
    every = sorted(said - {1}) or range(2, max(sizes) + 1)
    return [heads for heads in every if all(size % heads == 0 for size in sizes)]


def parted(layer: Layer, cut: Cut, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Layer]:
    """The layers that one is made of."""
    count, heads = cut
    composed = {"o": "heads dim"} if heads > 1 else {}
    for number, name in enumerate(PARTS[count]):
        roles = {role: tuple(_part(p, number, cut, shapes) for p in ps) for role, ps in layer.roles.items()}
        yield replace(layer, path=_path(layer.path, name), roles=roles, composed=composed)


def calls_of(call: Called, cut: Cut) -> Iterator[Called]:
    """The calls of the parts in a call of the whole: what goes in is the same, what comes out of each is not seen."""
    for name in PARTS[cut[0]]:
        yield replace(call, layer=_path(call.layer, name), given=None)


def _path(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _part(piece: Piece, number: int, cut: Cut, shapes: Mapping[str, tuple[int, ...]]) -> Piece:
    count, heads = cut
    names, shape = piece.axes.split(), shapes[piece.entry]
    axis = names.index("o")
    size = shape[axis] // count
    if heads == 1:
        return replace(piece, at=f"[{':, ' * axis}{number * size}:{(number + 1) * size}]")
    apart = ", ".join(map(str, (*shape[:axis], heads, count, size // heads, *shape[axis + 1 :])))
    axes = " ".join("heads dim" if name == "o" else name for name in names)
    return replace(piece, axes=axes, at=f".reshape({apart})[{':, ' * (axis + 1)}{number}]")
