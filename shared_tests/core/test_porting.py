"""Weight maps: what their rows fill, what becomes of gradients on the way back, and whether they are whole."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constate.errors import UsageError
from constate.porting.rows import Row
from constate.porting.slices import part, part_shape, parted, place
from constate.porting.weight_map import WeightMap
from constate.state import Array

F64 = np.dtype(np.float64)


@st.composite
def axes(draw: st.DrawFn, names: list[str]) -> list[list[str]]:
    """The names in some order, some of them sharing a dimension."""
    order = draw(st.permutations(names))
    cuts = draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)))
    found: list[list[str]] = []
    for name, cut in zip(order, cuts, strict=True):
        if cut or not found:
            found.append([])
        found[-1].append(name)
    return found


def spelled(groups: list[list[str]]) -> str:
    return " ".join(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in groups)


@st.composite
def parts(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[tuple[int, ...], str]:
    """A larger shape, and the part of it that has this one: forwards or backwards, in steps of one or two; now and then
    it is flat and has to be brought to that shape first."""
    whole, texts = [], []
    for size in shape:
        before, after, step = draw(st.integers(1, 2)), draw(st.integers(0, 2)), draw(st.integers(1, 2))
        end = before + (size - 1) * step + 1
        forwards = draw(st.booleans())
        texts.append(f"{before}:{end}:{step}" if forwards else f"{end - 1}:{before - 1}:-{step}")
        whole.append(end + after)
    at = f"[{', '.join(texts)}]"
    if draw(st.booleans()):
        return (prod(whole),), f".reshape({', '.join(map(str, whole))}){at}"
    return tuple(whole), at


@st.composite
def maps(draw: st.DrawFn) -> tuple[WeightMap, dict[str, tuple[int, ...]], tuple[int, ...]]:
    """A map of one row, the shapes of its sources, and that of the target."""
    sizes = {name: draw(st.integers(1, 3)) for name in "abcd"[: draw(st.integers(1, 4))]}
    left, right = draw(axes(list(sizes))), draw(axes(list(sizes)))
    shape = tuple(prod(sizes[name] for name in group) for group in left)
    shapes, sources = {}, []
    for number in range(draw(st.integers(1, 3))):
        whole, at = draw(parts(shape))
        shapes[f"s{number}"] = whole
        sources += draw(st.sampled_from([[f"s{number}{at}"], [f"s{number}{at}", f"s{number}{at}"]]))
    given_sizes = {name: sizes[name] for group in left for name in group[1:]}
    row = Row("t", tuple(sources), f"{spelled(left)} -> {spelled(right)}", given_sizes)
    return WeightMap((row,)), shapes, tuple(prod(sizes[name] for name in group) for group in right)


@given(maps(), st.integers(0, 2**32 - 1))
def test_what_is_pulled_is_the_adjoint_of_what_is_filled(
    made: tuple[WeightMap, dict[str, tuple[int, ...]], tuple[int, ...]], seed: int
) -> None:
    weights, shapes, shape = made
    rng = np.random.default_rng(seed)

    def drawn(shape: tuple[int, ...]) -> Array:
        return rng.integers(-9, 10, shape).astype(np.float64)  # products and sums of these are exact

    x, g = {name: drawn(whole) for name, whole in shapes.items()}, drawn(shape)
    filled, pulled = weights.filled(x, {"t": (shape, "float64")})["t"], weights.pulled({"t": g}, x)
    assert filled.shape == shape
    assert {name: array.shape for name, array in pulled.items()} == shapes
    assert np.vdot(filled, g) == sum(np.vdot(x[name], array) for name, array in pulled.items())


def test_a_row_fills_a_part_of_the_target_and_leaves_the_rest_to_others() -> None:
    weights = WeightMap((Row("t[0:2]", ("a", "b[::-1]")), Row("t[3]", value=0.5), Row("t[2]", ("a[0]",))))
    x = {"a": np.array([1.0, 2.0]), "b": np.array([10.0, 20.0])}
    filled = weights.filled(x, {"t": ((4,), "float64")})["t"]
    assert filled.tolist() == [21.0, 12.0, 1.0, 0.5]
    pulled = weights.pulled({"t": np.array([1.0, 2.0, 4.0, 8.0])}, x)
    assert {name: array.tolist() for name, array in pulled.items()} == {"a": [5.0, 2.0], "b": [2.0, 1.0]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Row("t", ("nothing",)), "the source has no entry nothing"),
        (Row("t", ("a[5]",)), r"a has the shape \[2, 3\], which has no part \[5\]"),
        (
            Row("t", ("a",), "x y z -> z y x"),
            r"an array of the shape \[2, 3\] cannot be rearranged by 'x y z -> z y x'",
        ),
        (Row("t", ("a",), "x y -> x"), "cannot be rearranged by 'x y -> x'"),
        (Row("t", ("a",), "(x z) y -> x y z", {"z": 5}), "cannot be rearranged"),
        (Row("t", ("a",), "x y"), "cannot be rearranged by 'x y'"),
        (Row("t", ("half",)), "half has the dtype float16, expected float64; cast the source first"),
        (Row("t", ("a", "a[0]")), r"a\[0\] has the shape \[3\], expected \[2, 3\]"),
        (Row("t[0]", ("a",)), r"found an array of the shape \[2, 3\], expected \[3\]"),
        (Row("t", ("a",), "x y -> y x"), r"found an array of the shape \[3, 2\], expected \[2, 3\]"),
    ],
)
def test_a_row_that_does_not_fit_is_named(row: Row, message: str) -> None:
    source: dict[str, Array] = {"a": np.zeros((2, 3)), "half": np.zeros((2, 3), np.float16)}
    with pytest.raises(UsageError, match=message) as refused:
        WeightMap((row,)).filled(source, {"t": ((2, 3), "float64")})
    assert str(refused.value).startswith(f"the row that fills {row.target}")
    assert "\n" not in str(refused.value)


SOURCE = {"a": ((4, 2), "float32"), "b": ((3,), "float32")}
TARGET = {"t": ((4, 2), "float32"), "u": ((3,), "float32")}
WHOLE = (Row("t", ("a",)), Row("u", ("b",)))


@pytest.mark.parametrize(
    "weights",
    [
        WeightMap(WHOLE),
        WeightMap((Row("t[0:3]", ("a[1:]",)), Row("t[-1]", ("a[0]",)), WHOLE[1])),
        WeightMap(WHOLE[:1], left_out=("b",), kept=("u",)),
        WeightMap((WHOLE[0], Row("u", value=0.0)), left_out=("b",)),
        WeightMap((*WHOLE[:1], Row("u", ("b", "b")))),
        WeightMap((Row("t[::2]", ("a[::2]",)), Row("t[1::2]", ("a[1::2]",)), WHOLE[1])),
        WeightMap(
            (*(Row(f"t.reshape(2, 2, 2)[:, {n}]", (f"a.reshape(-1, 2, 2)[{n}]",)) for n in range(2)), WHOLE[1]),
        ),
    ],
)
def test_a_whole_map(weights: WeightMap) -> None:
    weights.require_whole(SOURCE, TARGET)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            WeightMap(WHOLE[:1], left_out=("b",)),
            "u of the target is filled by no row; expected once, or its name in kept",
        ),
        (WeightMap((Row("t[0:3]", ("a",)), WHOLE[1])), "t of the target is filled by no row in part"),
        (WeightMap((*WHOLE, Row("t[2]", value=1.0))), "t of the target is filled more than once"),
        (WeightMap(WHOLE, kept=("u",)), "u of the target is in kept and in a row; expected one of the two"),
        (WeightMap(WHOLE, left_out=("a",)), "a of the source is in left_out and in a row; expected one of the two"),
        (
            WeightMap(WHOLE[:1], kept=("u",)),
            "b of the source is used by no row; expected a row, or its name in left_out",
        ),
        (WeightMap((Row("t", ("a",)), Row("u", ("b[:2]",)))), "b of the source is in part used by no row"),
        (WeightMap(WHOLE, kept=("v",)), "kept: the target has no entry v"),
        (WeightMap(WHOLE, left_out=("t",)), "left_out: the source has no entry t"),
        (WeightMap((*WHOLE, Row("w", ("a",)))), "a row names w, which the target has not"),
        (WeightMap((*WHOLE, Row("u", ("c",)))), "a row names c, which the source has not"),
        (WeightMap((*WHOLE, Row("t[4]", ("a[0]",)))), r"a row names t\[4\]; t has the shape \[4, 2\]"),
        (WeightMap((Row("t.reshape(2, 2, 2)[:, 1]", ("a[:2]",)), WHOLE[1])), "t of the target is filled by no row in"),
        (WeightMap((*WHOLE, Row("t.reshape(3, 3)[0]", ("b",)))), r"a row names t\.reshape\(3, 3\)\[0\]; t has the"),
        (WeightMap((*WHOLE, Row("u[0, 0]", ("b[0]",)))), r"a row names u\[0, 0\]; u has the shape \[3\]"),
    ],
)
def test_a_map_that_is_not_whole(weights: WeightMap, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        weights.require_whole(SOURCE, TARGET)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("a/b", "a/b", (None, ())),
        ("a[0:64]", "a", (None, (slice(0, 64),))),
        ("a[1, 64:]", "a", (None, (1, slice(64, None)))),
        ("a[::-1, -2]", "a", (None, (slice(None, None, -1), -2))),
        ("list[0]/weight", "list[0]/weight", (None, ())),
        ("a\nb[3]", "a\nb", (None, (3,))),
        ("a[x]", "a[x]", (None, ())),
        ("a.reshape(2, -1)[:, 0]", "a", ((2, -1), (slice(None), 0))),
        ("a.reshape(2, -1)", "a.reshape(2, -1)", (None, ())),
        ("a.reshape(2)/b[0]", "a.reshape(2)/b", (None, (0,))),
    ],
)
def test_a_name_and_its_part(
    text: str, name: str, expected: tuple[tuple[int, ...] | None, tuple[int | slice, ...]]
) -> None:
    path, at = parted(text)
    assert (path, place(at)) == (name, expected)


@pytest.mark.parametrize("at", ["[]", "[,]", "[1 2]", "[::0]", "[1:2:3:4]", "[--1]", "[1,]", ".reshape(2)[--1]"])
def test_what_is_no_part(at: str) -> None:
    with pytest.raises(ValueError, match=r"expected one such as \[0:64\]"):
        place(at)


@pytest.mark.parametrize("sizes", ["2 3", ",", "2,", "--2", ""])
def test_what_is_no_shape(sizes: str) -> None:
    with pytest.raises(ValueError, match=r"expected one such as \.reshape\(4, 3, 16, 64\)\[:, 0\]"):
        place(f".reshape({sizes})[0]")


@pytest.mark.parametrize("at", ["", "[1]", "[1, 2]", "[::-1, 1:]", ".reshape(2, 3, 2)[1, 1]", ".reshape(12)[5]"])
def test_a_part_can_be_written_to(at: str) -> None:
    array = np.zeros((6, 2) if at != "[1, 2]" else (6, 3))
    here = part(array, at)
    here += 1
    assert array.sum() == here.size > 0


def test_the_shape_of_a_part_is_numpys() -> None:
    assert part_shape((6, 5), "[1::2, -1]") == np.zeros((6, 5))[1::2, -1].shape == (3,)
    with pytest.raises(ValueError, match=r"found the part \[6\] of an array of the shape \[6, 5\]"):
        part_shape((6, 5), "[6]")
    assert part_shape((6, 5), ".reshape(2, 3, -1)[:, 1]") == (2, 5)
    for at in (".reshape(4, 8)[0]", ".reshape(-1, -1)[0]", ".reshape(2, 15)[2]"):
        with pytest.raises(ValueError, match=r"found the part \.reshape.* of an array of the shape \[6, 5\]"):
            part_shape((6, 5), at)
