"""Which layer of one module is whose twin in the other.

Twins have one signature. Among layers of one signature those are twins whose outputs agree in a pass of both modules
with synthetic weights, or whose inputs do; where several do, as the projections of an attention, those whose names are
alike, and then those that come in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from constate.porting.described import Described
from constate.porting.layer import LOOSE, Layer
from constate.porting.layering import Called
from constate.porting.synthetic import TABLES, Signature, array_layer, signature

SAME = 1e-3
"""How far apart the inputs and outputs of twins may be, relative to their size, on account of rounding."""

ALIKE = (
    {"q", "query"}, {"k", "key"}, {"v", "value"}, {"o", "out", "output"}, {"dense", "linear", "fc"},
    {"downsample", "shortcut", "projection", "proj"}, {"reverse", "backward"}, {"pos", "position", "positional"},
    {"emb", "embed", "embedding"}, {"norm", "ln", "bn"}, {"attn", "attention"}, {"head", "classifier", "logit"},
    {"cross", "multihead", "memory"}, {"source", "src", "encoder"}, {"target", "tgt", "decoder"},
)  # fmt: skip
"""Words that mean the same in names of layers."""

_MEANING = {word: number for number, words in enumerate(ALIKE) for word in words}

Form = tuple[Signature, tuple[str, bool] | None]
"""The signature of a layer; of a bare array also its dtype, and whether it is trained."""


@dataclass(frozen=True)
class Paired:
    """The twins, and what has none."""

    pairs: tuple[tuple[Layer, Layer], ...]
    """Of the source and of the target, in the order of the target."""
    source_alone: tuple[Layer, ...] = ()
    target_alone: tuple[Layer, ...] = ()


def pair(source: Described, target: Described) -> Paired:
    """Find the twins."""
    pairs, ours, theirs = _pairs(source, target, source.layers, target.layers)
    # What is a layer for one author, as an embedding of positions, is a bare array for another.
    arrays = [[a for layer in rest for a in _arrays(layer, side)] for rest, side in ((ours, source), (theirs, target))]
    more, here, there = _pairs(source, target, *arrays)
    order = {entry: number for number, entry in enumerate(target.entries)}
    return Paired(
        tuple(sorted([*pairs, *more], key=lambda both: min(order[piece.entry] for piece in both[1].pieces()))),
        tuple(_left(ours, here)),
        tuple(_left(theirs, there)),
    )


def agreeing(paired: Paired, source: Described, target: Described) -> tuple[int, int]:
    """Of how many twins the outputs agree, or the inputs, and of how many either are known."""
    here, there = ({call.layer: call for call in reversed(side.calls)} for side in (source, target))
    apart = [_apart(here.get(ours.path), there.get(theirs.path)) for ours, theirs in paired.pairs]
    known = [each for each in apart if each is not None]
    return sum(each < SAME for each in known), len(known)


def _pairs(
    source: Described, target: Described, ours: Sequence[Layer], theirs: Sequence[Layer]
) -> tuple[list[tuple[Layer, Layer]], list[Layer], list[Layer]]:
    """The twins among these layers, and those of the source and of the target that have none."""
    first = [{call.layer: call for call in reversed(side.calls)} for side in (source, target)]
    here, there = _by_form(source, ours), _by_form(target, theirs)
    pairs = [both for form in there for both in _twins(here.get(form, []), there[form], first[0], first[1], form)]
    taken = {id(layer) for both in pairs for layer in both}
    left, right = ([layer for layer in side if id(layer) not in taken] for side in (ours, theirs))
    return pairs, left, right


def _by_form(side: Described, layers: Sequence[Layer]) -> dict[Form, list[Layer]]:
    """The layers in the order in which a pass calls them; those that it does not call come last."""
    called = {call.layer: number for number, call in reversed(list(enumerate(side.calls)))}
    found: dict[Form, list[Layer]] = {}
    for layer in sorted(layers, key=lambda layer: called.get(layer.path, len(side.calls))):
        bare = None
        if layer.kind == LOOSE:
            entry = side.entries[layer.path]
            bare = entry.dtype, entry.trainable
        found.setdefault((signature(layer, side.shapes), bare), []).append(layer)
    return found


def _twins(
    ours: Sequence[Layer], theirs: Sequence[Layer], here: dict[str, Called], there: dict[str, Called], form: Form
) -> Iterator[tuple[Layer, Layer]]:
    """The best pairs first; each layer once. Bare arrays have to have a word in common, unless there is one of a form,
    and it is trained."""
    alone = len(ours) == len(theirs) == 1 and form[1] is not None and form[1][1]
    costs = []
    for i, a in enumerate(ours):
        for j, b in enumerate(theirs):
            unlike = _unlike(a.path, b.path)
            if form[1] is None or unlike < 1 or alone:
                apart = _apart(here.get(a.path), there.get(b.path))
                far = 1.0 if apart is None else 0.0 if apart < SAME else apart
                costs.append((far, unlike, abs(i - j), i, j))
    left, right = set(range(len(ours))), set(range(len(theirs)))
    for *_, i, j in sorted(costs):
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            yield ours[i], theirs[j]


def _arrays(layer: Layer, side: Described) -> Iterator[Layer]:
    """The entries of a layer that may be bare arrays in the other module, each as a layer of its own."""
    if layer.roles.keys() <= TABLES:
        yield from (array_layer(piece.entry, side.shapes[piece.entry]) for piece in layer.pieces())


def _left(layers: Sequence[Layer], arrays: Sequence[Layer]) -> Iterator[Layer]:
    """The layers that have no twin as what they are nor as arrays."""
    without = {layer.path for layer in arrays}
    for layer in layers:
        if not layer.roles.keys() <= TABLES or any(piece.entry in without for piece in layer.pieces()):
            yield layer


def _apart(a: Called | None, b: Called | None) -> float | None:
    """How far the outputs of two calls are apart, relative to their size; where those are not known, the inputs, which
    one author pads before the layer and another in it. ``None`` where nothing can be compared."""
    if a is None or b is None:
        return None
    for x, y in ((a.given, b.given), (a.taken, b.taken)):
        if x is not None and y is not None:
            return max(abs(p - q) / max(x[1], y[1], 1e-30) for p, q in zip(x, y, strict=True))
    return None


def _unlike(a: str, b: str) -> float:
    """How little two names have in common, from 0 to 1: the words of both but for numbers, the last of them first."""
    ours, theirs = _words(a), _words(b)
    if not ours or not theirs:
        return 1.0
    matched = sum(any(x == y for y in theirs) for x in ours) + sum(any(x == y for x in ours) for y in theirs)
    return 1 - matched / (len(ours) + len(theirs))


def _words(path: str) -> list[str | int]:
    """``layer1/0/selfAttn`` -> layer, self, and what ``attn`` means."""
    split = re.sub(r"([a-z])([A-Z])", r"\1 \2", path)
    words = re.findall(r"[a-z]+", split.lower())
    return [_MEANING.get(word, _MEANING.get(word.removesuffix("s"), word.removesuffix("s"))) for word in words]
