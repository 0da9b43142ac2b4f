"""What is proved of two modules, on arrays that stand for what they computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from constate.porting.described import Described, Entry
from constate.porting.layer import Layer, Piece
from constate.porting.layering import Called
from constate.porting.proving import (
    NARROW,
    WIDE,
    Proof,
    Trained,
    conventions,
    corrections,
    first_difference,
    gradients,
    outputs,
    statistics,
)
from constate.porting.rows import Row
from constate.porting.weight_map import WeightMap
from constate.state import Array

RNG = np.random.default_rng(0)


def side(channels_last: bool = True, trained: Mapping[str, bool] = {}, layers: tuple[Layer, ...] = ()) -> Described:
    entries = {path: Entry((4,), "float64", trainable) for path, trainable in trained.items()}
    return Described("m:build", "fake", channels_last, ("f32[2]",), entries, layers)


FIRST, LAST = side(channels_last=False), side()
IMAGE = RNG.standard_normal((2, 3, 4, 5)).astype(np.float32)


def changed(array: Array, place: int, value: float) -> Array:
    other = np.array(array)
    other.reshape(-1)[place] = value
    return other


def test_outputs_are_compared_in_the_layout_of_either_framework() -> None:
    there = np.moveaxis(IMAGE, 1, -1)
    assert outputs(FIRST, LAST, {"": IMAGE}, {"x": there}) == Proof("outputs", 1, 0.0, 1e-4)
    assert outputs(FIRST, LAST, {"": IMAGE}, {"x": there * (1 + 5e-5)}).holds
    assert not outputs(FIRST, LAST, {"": IMAGE}, {"x": there * (1 + 2e-4)}).holds
    cube = IMAGE[:, :, :3, :3]
    assert outputs(FIRST, LAST, {"": cube}, {"x": np.moveaxis(cube, 1, -1)}).apart == 0
    assert outputs(FIRST, LAST, {"": cube}, {"x": cube}).apart == 0
    assert not outputs(FIRST, LAST, {"": cube}, {"x": np.swapaxes(cube, 1, 2)}).holds


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 7])
def test_what_is_not_finite_in_one_of_both_is_no_output_of_the_other(value: float, place: int) -> None:
    other = changed(IMAGE, place, value)
    for ours, theirs in ((IMAGE, other), (other, IMAGE)):
        proof = outputs(LAST, LAST, {"a": IMAGE, "b": ours, "c": IMAGE}, {"a": IMAGE, "b": theirs, "c": IMAGE})
        assert (proof.holds, proof.where) == (False, "output b")
    assert outputs(LAST, LAST, {"b": other}, {"b": other}).holds
    assert not outputs(LAST, LAST, {"b": other}, {"b": changed(other, 9, 100.0)}).holds


def test_infinities_of_two_signs_differ() -> None:
    plus, minus = changed(IMAGE, 3, np.inf), changed(IMAGE, 3, -np.inf)
    assert not outputs(LAST, LAST, {"": plus}, {"": minus}).holds
    assert not outputs(LAST, LAST, {"": plus}, {"": changed(IMAGE, 3, np.nan)}).holds


def test_outputs_that_cannot_be_compared() -> None:
    wrong = outputs(FIRST, LAST, {"y": IMAGE}, {"y": IMAGE[:1]})
    said = "outputs: output y has the shape [2, 3, 4, 5] in the source, [1, 3, 4, 5] in the target"
    assert (wrong.holds, str(wrong)) == (False, said)
    fewer = outputs(FIRST, LAST, {"y": IMAGE, "z": IMAGE}, {"y": IMAGE})
    assert (fewer.holds, str(fewer)) == (False, "outputs: the source gives 2 arrays, the target 1")
    numbers = np.arange(3)
    assert outputs(LAST, LAST, {"": numbers}, {"": numbers}).holds
    assert not outputs(LAST, LAST, {"": numbers}, {"": numbers + 1}).holds


NAMES = ("a", "b", "c")
ROWS = WeightMap(tuple(Row(name.upper(), (name,)) for name in NAMES))
GRADIENTS = {name: RNG.standard_normal(4) for name in NAMES}


def trained(gradients: Mapping[str, Array], upper: bool = False) -> Trained:
    named = {name.upper() if upper else name: array for name, array in gradients.items()}
    return Trained({name.upper() if upper else name: np.zeros(4) for name in NAMES}, named, {})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bound", [WIDE, NARROW])
def test_the_gradients_of_every_entry_count(name: str, bound: float) -> None:
    assert gradients(trained(GRADIENTS), trained(GRADIENTS, True), ROWS, bound).count == 3
    off = {**GRADIENTS, name: GRADIENTS[name] * (1 + 0.5 * bound)}
    assert gradients(trained(GRADIENTS), trained(off, True), ROWS, bound).holds
    for other in (
        GRADIENTS[name] * (1 + 2 * bound),
        -GRADIENTS[name],
        np.zeros(4),
        np.full(4, np.nan),
        np.full(4, np.inf),
    ):
        off = {**GRADIENTS, name: other}
        for ours, theirs in ((GRADIENTS, off), (off, GRADIENTS)):
            proof = gradients(trained(ours), trained(theirs, True), ROWS, bound)
            assert not proof.holds, (name, other)


def test_a_gradient_that_is_small_beside_the_others_counts_too() -> None:
    small = {**GRADIENTS, "b": 1e-6 * GRADIENTS["b"]}
    off = {**small, "b": -small["b"]}
    proof = gradients(trained(small), trained(off, True), ROWS, WIDE)
    assert (proof.holds, proof.where) == (False, "b")


def test_gradients_that_reach_nothing() -> None:
    none = dict.fromkeys(NAMES, np.zeros(4))
    assert gradients(trained(none), trained(none, True), ROWS, WIDE).holds
    missing = {name: GRADIENTS[name] for name in "ac"}
    assert gradients(trained({**missing, "b": np.zeros(4)}), trained(missing, True), ROWS, WIDE).holds
    assert not gradients(trained(GRADIENTS), trained(missing, True), ROWS, WIDE).holds
    assert not gradients(trained(missing), trained(GRADIENTS, True), ROWS, WIDE).holds


@pytest.mark.parametrize("where", ["left_out", "kept"])
def test_what_is_in_no_row_may_not_be_trained(where: str) -> None:
    rows = tuple(Row(name.upper(), (name,)) for name in "ac")
    named: dict[str, Any] = {"left_out": ("b",)} if where == "left_out" else {"kept": ("B",)}
    without = {name: GRADIENTS[name] for name in "ac"}
    both = (GRADIENTS, without) if where == "left_out" else (without, GRADIENTS)
    proof = gradients(trained(both[0]), trained(both[1], True), WeightMap(rows, **named), WIDE)
    assert not proof.holds
    assert proof.where.startswith("b of the source" if where == "left_out" else "B of the target")
    assert gradients(trained(without), trained(without, True), WeightMap(rows, **named), WIDE).holds


def moved(before: Mapping[str, Array], after: Mapping[str, Array], upper: bool = False) -> Trained:
    cased: Any = str.upper if upper else str
    return Trained({cased(n): a for n, a in before.items()}, {}, {cased(n): a for n, a in after.items()})


BEFORE, AFTER = ({name: RNG.standard_normal(4) for name in NAMES} for _ in range(2))
TARGET = side(trained={"A": False, "B": True, "C": False})


@pytest.mark.parametrize("name", "ac")
def test_the_statistics_of_every_entry_count(name: str) -> None:
    same = statistics(moved(BEFORE, AFTER), moved(BEFORE, AFTER, True), ROWS, TARGET, {}, WIDE)
    assert (same.holds, same.count) == (True, 2)
    for other in (BEFORE[name], AFTER[name] + 1e-3, np.full(4, np.nan), np.full(4, np.inf)):
        off = {**AFTER, name: other}
        for ours, theirs in ((AFTER, off), (off, AFTER)):
            proof = statistics(moved(BEFORE, ours), moved(BEFORE, theirs, True), ROWS, TARGET, {}, WIDE)
            assert not proof.holds, (name, other)


def test_what_is_trained_is_no_statistic() -> None:
    off = {**AFTER, "b": AFTER["b"] + 1}
    assert statistics(moved(BEFORE, AFTER), moved(BEFORE, off, True), ROWS, TARGET, {}, WIDE).holds


def norm(path: str, unbiased: bool, momentum: float = 0.9, epsilon: float = 1e-5) -> Layer:
    settings = {"epsilon": epsilon, "momentum": momentum, "unbiased": unbiased}
    return Layer(path, "batch_norm", {"variance": (Piece(path, "c"),)}, settings)


@pytest.mark.parametrize("torch_first", [True, False])
def test_a_variance_of_n_less_one_elements_is_that_of_n_in_other_words(torch_first: bool) -> None:
    batch = RNG.standard_normal((6, 4))
    after = {unbiased: 0.9 * BEFORE["a"] + 0.1 * batch.var(0, ddof=int(unbiased)) for unbiased in (True, False)}
    ours, theirs = norm("a", torch_first), norm("A", not torch_first)
    source, target = side(trained={"a": False}, layers=(ours,)), side(trained={"A": False}, layers=(theirs,))
    weights = WeightMap((Row("A", ("a",)),))

    def proof(factors: Mapping[str, tuple[float, float]]) -> Proof:
        here = moved({"a": BEFORE["a"]}, {"a": after[torch_first]})
        there = moved({"a": BEFORE["a"]}, {"a": after[not torch_first]}, True)
        return statistics(here, there, weights, target, factors, WIDE)

    calls = [Called("a", (6, 4), None, None)]
    assert proof(corrections(source, target, [(ours, theirs)], calls)).holds
    assert not proof({}).holds
    assert corrections(source, target, [(ours, norm("A", torch_first))], calls) == {}
    assert corrections(source, target, [(ours, theirs)], [*calls, *calls]) == {}


def test_settings_that_are_not_those_of_the_twin_are_named() -> None:
    ours = norm("a", True)
    assert conventions([(ours, norm("A", False, 0.9 + 1e-9))]) == []
    other = norm("A", False, 0.99, 1e-3)
    assert [found[2:] for found in conventions([(ours, other)])] == [("epsilon", 1e-5, 1e-3), ("momentum", 0.9, 0.99)]


def test_the_first_layer_whose_twin_gives_something_else() -> None:
    pairs = [(norm(name, False), norm(name.upper(), False)) for name in NAMES]
    ours = [Called(name, (2, 4), None, (0.5, 1.0)) for name in NAMES]
    theirs = [Called(name.upper(), (2, 4), None, (0.5, 1.0 if name == "a" else 1.1)) for name in NAMES]
    found = first_difference(pairs, ours, theirs)
    assert found is not None and found[0].path == "b"
    assert first_difference(pairs, ours, theirs[:1]) is None
