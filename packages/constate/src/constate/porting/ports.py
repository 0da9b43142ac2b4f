"""Move the weights of a module to its twin in another framework, and prove that both compute the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from constate.errors import Refused, UsageError
from constate.instruments.inputs import Drawn, Inputs, parse_all
from constate.porting import layouts
from constate.porting.composing import compose
from constate.porting.described import Described
from constate.porting.fused import taken_apart
from constate.porting.layer import Layer
from constate.porting.pairing import Paired, pair
from constate.porting.proving import (
    NARROW,
    WIDE,
    Proof,
    conventions,
    corrections,
    first_difference,
    gradients,
    outputs,
    statistics,
)
from constate.porting.side import Evaluated, Lost, Side
from constate.porting.weight_map import WeightMap
from constate.state import Array

R = TypeVar("R")
Convention = tuple[Layer, Layer, str, Any, Any]
"""Two layers, a setting, and what each of them says."""


@dataclass(frozen=True)
class Proved:
    """What came of a proof."""

    proofs: tuple[Proof, ...]
    wide: bool
    """Whether the training step was made in float64."""
    first: tuple[Layer, Layer] | None
    """The first layer whose twin gives something else in eval mode."""

    @property
    def holds(self) -> bool:
        """Whether all of it holds, and there was something to compare."""
        return all(proof.holds for proof in self.proofs) and self.proofs[0].count > 0


class Port:
    """Two modules, each in a process of its own; see ``opened``."""

    def __init__(
        self,
        sides: tuple[Side, Side],
        described: tuple[Described, Described],
        inputs: tuple[Mapping[str, Array], Mapping[str, Array]],
    ) -> None:
        self.source, self.target = described
        self._ours, self._theirs = sides
        self._inputs = inputs
        self.paired: Paired = pair(*described)

    def infer(self) -> WeightMap:
        """The weight map as it follows from the two modules; not whole where a layer has no twin."""
        return compose(self.source, self.target, self.paired)

    def conventions(self) -> list[Convention]:
        """Where layers and their twins are set up differently."""
        return conventions(self.paired.pairs)

    def prove(self, weights: WeightMap) -> Proved:
        """Fill the target, and compare what both modules compute.

        Raises:
            UsageError: the map is not whole, a row does not fit, or a module fails.
        """
        weights.require_whole(self.source.forms, self.target.forms)
        # Weights as they are may hide what is wrong: biases that begin as zero, layers of which nothing is left.
        state = self._ours.state()
        (made_up, _), (other_made_up, _) = self._run(weights, self._ours.made_up())
        (ours, calls), (theirs, other_calls) = self._run(weights, state)
        try:
            trained = self._both(lambda side, arrays: side.train(arrays, wide=True))
            wide = not any(each.rounded for each in trained)
        except Lost:
            raise
        except UsageError:  # a module that has no float64: whatever else it is will be raised again
            wide = False
        if not wide:
            trained = self._both(lambda side, arrays: side.train(arrays, wide=False))
        bound, pairs = WIDE if wide else NARROW, self.paired.pairs
        unbiased = corrections(self.source, self.target, pairs, calls)
        proofs = (
            outputs(self.source, self.target, ours, theirs),
            outputs(self.source, self.target, made_up, other_made_up, "outputs of made-up weights"),
            gradients(*trained, weights, bound),
            statistics(*trained, weights, self.target, unbiased, bound),
        )
        return Proved(proofs, wide, first_difference(pairs, calls, other_calls))

    def _run(self, weights: WeightMap, state: Mapping[str, Array]) -> tuple[Evaluated, Evaluated]:
        """An eval pass of both sides in this state of the source, in which they stay."""
        self._ours.fill(state)
        self._theirs.fill(weights.filled(state, self.target.forms))
        return self._both(lambda side, arrays: side.run(arrays))

    def _both(self, do: Callable[[Side, Mapping[str, Array]], R]) -> tuple[R, R]:
        """What both sides do, at the same time."""
        with ThreadPoolExecutor(2) as pool:
            ours = pool.submit(do, self._ours, self._inputs[0])
            theirs = pool.submit(do, self._theirs, self._inputs[1])
            return ours.result(), theirs.result()

    def save(self, path: Path) -> None:
        """Save the target."""
        self._theirs.save(path)


def port(
    source: str,
    target: str,
    out: str | Path,
    *,
    weights: str | Path | None = None,
    inputs: Sequence[str] | None = None,
    target_inputs: Sequence[str] | None = None,
    weight_map: WeightMap | None = None,
) -> Proved:
    """Write a checkpoint of a module from one of its twin in another framework, if both are proved to compute the same.

    Each module is made in a process of its own. Outputs in eval mode, every gradient in training mode, and the
    statistics after a training step are compared.

    Args:
        source: what makes the module that has the weights, ``pkg.mod:build`` or ``path/to/file.py:build``.
        target: what makes its twin.
        out: the file to write, in the format that its name says: ``.safetensors``, or one of the target's framework.
        weights: a checkpoint of the source; without one, the weights that its factory gives it.
        inputs: what the source is called with, ``["f32[8,3,32,32]"]``; can be left out where the framework knows it.
        target_inputs: what the target is called with; by default the same, channels where its framework has them.
        weight_map: which entry goes where; by default as it follows from the two modules.

    Raises:
        UsageError: a module cannot be made or called, or the map is not whole.
        Refused: the two do not compute the same; nothing is written.
    """
    file = None if weights is None else Path(weights)
    with opened(source, target, file=file, inputs=inputs, target_inputs=target_inputs, out=Path(out)) as opened_port:
        proved = opened_port.prove(weight_map or opened_port.infer())
        if not proved.holds:
            said = "; ".join(str(proof) for proof in proved.proofs if not proof.holds)
            raise Refused(f"{source} and {target} do not compute the same: {said}; nothing was written")
        opened_port.save(Path(out))
    return proved


@contextmanager
def opened(
    source: str,
    target: str,
    *,
    file: Path | None = None,
    inputs: Sequence[str] | None = None,
    target_inputs: Sequence[str] | None = None,
    out: Path | None = None,
) -> Iterator[Port]:
    """Build two modules, each in a process of its own.

    Args:
        source: a factory, ``pkg.mod:build`` or ``path/to/file.py:build``.
        target: that of its twin.
        file: a checkpoint of the source; without one, the weights that its factory gives it.
        inputs: what the source is called with, ``f32[8,3,32,32]``; as far as they are known, they can be left out.
        target_inputs: what the target is called with; the same by default, channels where its framework has them.
        out: what the target will be saved as.

    Raises:
        UsageError: a module cannot be made, called or described, or the target not saved as that.
    """
    with tempfile.TemporaryDirectory(prefix="constate-") as folder, ThreadPoolExecutor(2) as pool:
        sides = Side("source", source, Path(folder)), Side("target", target, Path(folder))
        try:
            _, there = pool.map(Side.find, sides, (None, out))
            sides[0].build(list(inputs) if inputs else None, file)
            drawn = sides[0].draw()
            here = sides[0].describe(drawn)
            given = list(target_inputs) if target_inputs else translated(here, there["channels_last"])
            arrays = rearranged(drawn, here, sides[1].build(given, None), there["channels_last"])
            twin = sides[1].describe(arrays)
            again = partial(sides[0].describe, drawn), partial(sides[1].describe, arrays)
            yield Port(sides, taken_apart(here, twin, again), (drawn, arrays))
        finally:
            for side in sides:
                side.close()


def translated(source: Described, channels_last: bool) -> list[str]:
    """What the twin of a module is called with: images with their channels where its framework has them."""
    ranks = {layer.path: len(layer.settings["strides"]) + 2 for layer in source.layers if "strides" in layer.settings}
    images = {
        ranks[call.layer] for call in source.calls if call.layer in ranks and len(call.shape) == ranks[call.layer]
    }

    def change(leaf: Any) -> Any:
        if not isinstance(leaf, Drawn) or len(leaf.shape) not in images:
            return leaf
        order = layouts.moved(len(leaf.shape), not source.channels_last, channels_last)
        return replace(leaf, shape=tuple(leaf.shape[axis] for axis in order))

    return Inputs(parse_all(source.inputs).form.map(change)).texts()


def rearranged(
    drawn: Mapping[str, Array], source: Described, target: Sequence[str], channels_last: bool
) -> dict[str, Array]:
    """What the source is called with, as the target is.

    Raises:
        UsageError: the target is called with others.
    """
    forms: list[Drawn] = []
    parse_all(target).form.map(lambda leaf: forms.append(leaf) if isinstance(leaf, Drawn) else None)
    if len(forms) != len(drawn):
        raise UsageError(
            f"the source is called with {', '.join(source.inputs)}, the target with {', '.join(target)}; "
            "expected as many arrays"
        )
    found = {}
    for (name, array), form in zip(drawn.items(), forms, strict=True):
        usual = layouts.moved(array.ndim, not source.channels_last, channels_last)
        order = next(layouts.orders(array.shape, form.shape, usual), None)
        if order is None:
            raise UsageError(
                f"input {name} has the shape {list(array.shape)} in the source, {list(form.shape)} in the target; "
                "expected the same axes in whatever order"
            )
        found[name] = layouts.ordered(array, order)
    return found
