"""Projections that one module has in one layer and the other in several: how many, and in which order they are."""

from __future__ import annotations

from collections.abc import Mapping

import einops
import numpy as np
import pytest

from constate.porting.composing import compose
from constate.porting.described import Described, Entry
from constate.porting.fused import Cut, parted, taken_apart
from constate.porting.layer import Layer, Piece
from constate.porting.layering import Called
from constate.porting.pairing import pair

WIDTH = 8
AFTER = Layer("after", "dense", {"kernel": (Piece("after/weight", "o i"),)})
SHAPES = {"qkv/weight": (3 * WIDTH, 4), "kv/kernel": (4, 2 * WIDTH)}


def described(layers: list[Layer], shapes: Mapping[str, tuple[int, ...]], given: float) -> Described:
    """A module with these layers, called with the same, and one more that gives this."""
    entries = {path: Entry(shape, "float32", True) for path, shape in {**shapes, "after/weight": (5, 5)}.items()}
    calls = [
        *(Called(layer.path, (2, 4), (0.5, 1.0), None) for layer in layers),
        Called("after", (), None, (given, 1.0)),
    ]
    return Described("m:build", "fake", True, ("f32[2,4]",), entries, (*layers, AFTER), tuple(calls))


def apart(names: tuple[str, ...], heads: int = 0) -> Described:
    """Each in a layer of its own; with heads, in arrays that say so."""
    axes, outputs = ("i heads dim", (heads, WIDTH // heads)) if heads else ("i o", (WIDTH,))
    layers = [
        Layer(name, "dense", {"kernel": (Piece(f"{name}/kernel", axes),)}, {}, {"o": "heads dim"} if heads else {})
        for name in names
    ]
    return described(layers, {f"{name}/kernel": (4, *outputs) for name in names}, 0.25)


class Together:
    """A module with all in one layer; its outputs agree with those of the other if it is cut for so many heads."""

    def __init__(self, entry: str, axes: str, heads: int) -> None:
        name = entry.partition("/")[0]
        self.layer = Layer(name, "dense", {"kernel": (Piece(entry, axes),)})
        self.heads = heads
        self.tried: list[Cut] = []

    def again(self, cuts: Mapping[str, Cut]) -> Described:
        (entry,) = (piece.entry for piece in self.layer.pieces())
        layers = [self.layer]
        for cut in cuts.values():
            self.tried.append(cut)
            layers = list(parted(self.layer, cut, SHAPES))
        agrees = [heads for _, heads in cuts.values()] == [self.heads]
        return described(layers, {entry: SHAPES[entry]}, 0.25 if agrees else 0.75)


def never(cuts: Mapping[str, Cut]) -> Described:
    raise AssertionError(f"described again, for all that nothing of it is cut: {cuts}")


THREE, TWO = ("query", "key", "value"), ("key", "value")


@pytest.mark.parametrize(
    ("heads", "other", "tried"),
    [
        (1, apart(THREE), [(3, 1)]),
        (4, apart(THREE), [(3, 1), (3, 2), (3, 4)]),
        (4, apart(THREE, heads=4), [(3, 1), (3, 4)]),
        (0, apart(THREE), [(3, 1), (3, 2), (3, 4), (3, 8)]),
        (0, apart(TWO), []),
    ],
    ids=["blocks", "heads", "heads that are said", "neither", "others"],
)
def test_the_order_is_that_in_which_outputs_agree(heads: int, other: Described, tried: list[Cut]) -> None:
    for turned in (False, True):
        fused = Together("qkv/weight", "o i", heads)
        if turned:
            there, here = taken_apart(other, fused.again({}), (never, fused.again))
        else:
            here, there = taken_apart(fused.again({}), other, (fused.again, never))
        assert fused.tried == tried
        assert there is other
        whole = compose(here, there, pair(here, there)).rows
        assert len(whole) == (4 if tried else 1)
        assert any("reshape" in name for row in whole for name in row.sources) == (heads > 1)


@pytest.mark.parametrize(("entry", "axes"), [("qkv/weight", "o i"), ("kv/kernel", "i o")])
def test_the_parts_of_one_layer_head_by_head(entry: str, axes: str) -> None:
    count = 2 if entry.startswith("kv") else 3
    fused = Together(entry, axes, heads=2)
    here, there = taken_apart(fused.again({}), apart(TWO if count == 2 else THREE), (fused.again, never))
    weights = compose(here, there, pair(here, there))
    weights.require_whole(here.forms, there.forms)
    whole = np.arange(np.prod(SHAPES[entry]), dtype=np.float32).reshape(SHAPES[entry])
    filled = weights.filled({entry: whole, "after/weight": np.zeros((5, 5), np.float32)}, there.forms)
    by_head = "(heads part dim) i" if axes == "o i" else "i (heads part dim)"
    expected = einops.rearrange(whole, f"{by_head} -> part i (heads dim)", heads=2, part=count)
    names = TWO if count == 2 else THREE
    assert all(np.array_equal(filled[f"{name}/kernel"], part) for name, part in zip(names, expected, strict=True))
