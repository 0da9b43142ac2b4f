"""Twins: which layer is whose, on layers that are made up, and the weights by which they are told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import einops
import numpy as np
import pytest

from constate.porting import layouts
from constate.porting.composing import compose
from constate.porting.described import Described, Entry, once, seen_in
from constate.porting.lacking import lacking
from constate.porting.layer import Layer, Piece
from constate.porting.layering import Called
from constate.porting.pairing import pair
from constate.porting.rows import Row
from constate.porting.synthetic import array_layer, put, signature, synthetic
from constate.state import Array


def dense(path: str, kernel: str = "o i", bias: bool = False) -> Layer:
    roles = {"kernel": (Piece(f"{path}/weight", kernel),)}
    return Layer(path, "dense", {**roles, "bias": (Piece(f"{path}/bias", "o"),)} if bias else roles)


def described(
    layers: Sequence[Layer],
    shape: tuple[int, ...] = (4, 4),
    seen: Mapping[str, float] = {},
    trainable: bool = True,
    order: Sequence[str] = (),
    given: Mapping[str, float] = {},
) -> Described:
    """A module with these layers, called in this order, each with kernels of this shape and inputs and outputs of such
    a mean."""
    paths = [piece.entry for layer in layers for piece in layer.pieces()]
    entries = {path: Entry(shape[:1] if path.endswith("bias") else shape, "float32", trainable) for path in paths}
    calls = [
        Called(
            path,
            (2, 4),
            (seen[path], 1.0) if path in seen else None,
            (given[path], 1.0) if path in given else None,
        )
        for path in order or [layer.path for layer in layers]
    ]
    return Described("m:build", "fake", True, ("f32[2,4]",), entries, tuple(layers), tuple(calls))


def twins(source: Described, target: Described) -> list[tuple[str, str]]:
    return [(ours.path, theirs.path) for ours, theirs in pair(source, target).pairs]


def test_what_goes_in_counts_more_than_names_and_order() -> None:
    source = described([dense("first"), dense("second")], seen={"first": 0.25, "second": 0.5})
    target = described([dense("first"), dense("second")], seen={"first": 0.5, "second": 0.25})
    assert twins(source, target) == [("second", "first"), ("first", "second")]


def test_what_comes_out_counts_more_than_what_goes_in() -> None:
    """One author pads an image before a convolution and another in it."""
    inputs = {"first": 0.25, "second": 0.5}
    source = described([dense("first"), dense("second")], seen=inputs, given={"first": 0.1, "second": 0.2})
    target = described([dense("first"), dense("second")], seen=inputs, given={"first": 0.2, "second": 0.1})
    assert twins(source, target) == [("second", "first"), ("first", "second")]


def test_where_the_same_goes_in_names_count_and_then_the_order_of_calls() -> None:
    same = dict.fromkeys(("q", "k", "v", "attn/value", "attn/query", "attn/key"), 0.5)
    source = described([dense(name) for name in ("v", "q", "k")], seen=same)
    target = described([dense(f"attn/{name}") for name in ("query", "key", "value")], seen=same)
    assert twins(source, target) == [("q", "attn/query"), ("k", "attn/key"), ("v", "attn/value")]
    source = described([dense("a"), dense("b")], order=["b", "a"])
    target = described([dense("x"), dense("y")], order=["x", "y"])
    assert twins(source, target) == [("b", "x"), ("a", "y")]


def test_only_layers_of_one_kind_with_the_same_roles_and_sizes_are_twins() -> None:
    source = described([dense("a"), dense("b", bias=True)])
    target = described([dense("b"), dense("a", bias=True)])
    assert twins(source, target) == [("a", "b"), ("b", "a")]
    wide = described([dense("a")], shape=(4, 5))
    assert twins(source, wide) == []
    paired = pair(source, wide)
    assert lacking(source, wide, paired) == [
        "target a (dense: kernel o=4 i=5); the source has a (dense: kernel o=4 i=4)",
        "source b (dense: kernel o=4 i=4, bias o=4)",
    ]


def test_a_bare_array_has_to_have_a_word_in_common_unless_it_is_alone_and_trained() -> None:
    def bare(*paths: str, trainable: bool) -> Described:
        return described([array_layer(path, (4, 4)) for path in paths], trainable=trainable)

    assert twins(bare("table", trainable=True), bare("positions", trainable=True)) == [("table", "positions")]
    assert twins(bare("table", trainable=False), bare("positions", trainable=False)) == []
    assert twins(bare("m/pos", trainable=False), bare("position", trainable=False)) == [("m/pos", "position")]
    assert twins(bare("a", "b", trainable=True), bare("c", "d", trainable=True)) == []
    assert twins(bare("table", trainable=True), bare("table", trainable=False)) == []


def test_an_embedding_of_positions_is_the_twin_of_a_bare_array() -> None:
    embedding = Layer("positions", "embedding", {"embedding": (Piece("positions/weight", "n o"),)})
    array = array_layer("position_table", (1, 4, 3))
    source = described([embedding], shape=(4, 3))
    target = described([array], shape=(1, 4, 3))
    assert compose(source, target, pair(source, target)).rows == (
        Row("position_table", ("positions/weight",), "a0 a1 -> 1 a0 a1"),
    )


def test_a_tied_layer_has_nothing_of_its_own() -> None:
    tied = dense("head"), Layer("table", "embedding", {"embedding": (Piece("table/weight", "n o"),)})
    first = {"head/weight": "head/weight", "table/weight": "head/weight"}
    (kept,) = once(tied, first)
    assert (kept.path, kept.roles["embedding"][0].entry) == ("table", "head/weight")


def test_a_bias_that_is_the_sum_of_two_goes_into_the_first() -> None:
    def biased(path: str, *names: str) -> Layer:
        return Layer(path, "lstm", {"bias": tuple(Piece(f"{name}_bias", "o", "[0:4]") for name in names)})

    both, one = described([biased("a", "x", "y")], shape=(4,)), described([biased("b", "z")], shape=(4,))
    assert compose(both, one, pair(both, one)).rows == (Row("z_bias[0:4]", ("x_bias[0:4]", "y_bias[0:4]")),)
    assert compose(one, both, pair(one, both)).rows == (
        Row("x_bias[0:4]", ("z_bias[0:4]",)),
        Row("y_bias[0:4]", value=0.0),
    )


def test_what_was_flattened_is_in_the_order_of_either_framework() -> None:
    call = Called("fc", (2, 12), None, None, {"c": 3, "h": 2, "w": 2})
    layer = seen_in(dense("fc"), call, {"fc/weight": (4, 12)}, False)
    source = described([layer], shape=(4, 12))
    target = described([dense("fc", "i o")], shape=(12, 4))
    (row,) = compose(source, target, pair(source, target)).rows
    filled = row.filled({"fc/weight": np.arange(48.0).reshape(4, 12)}, np.dtype(float))
    image = np.arange(24.0).reshape(2, 3, 2, 2)
    first = image.reshape(2, 12) @ np.arange(48.0).reshape(4, 12).T
    assert np.array_equal(first, image.transpose(0, 2, 3, 1).reshape(2, 12) @ filled)


@pytest.mark.parametrize(
    ("said", "shape", "expected"),
    [
        ("same", (2, 8, 9, 3), ((0, 1), (1, 1))),
        ("VALID", (2, 8, 9, 3), ((0, 0), (0, 0))),
        ("other", (2, 8, 9, 3), "other"),
    ],
)
def test_a_padding_that_is_said_in_a_word_comes_to_numbers(said: str, shape: tuple[int, ...], expected: object) -> None:
    settings = {"padding": said, "strides": (2, 2), "dilation": (1, 1)}
    layer = Layer("c", "conv", {"kernel": (Piece("c/kernel", "h w i o"),)}, settings)
    found = seen_in(layer, Called("c", shape, None, None), {"c/kernel": (3, 3, 3, 5)}, True)
    assert found.settings["padding"] == expected


CONV = (
    Layer("a", "conv", {"kernel": (Piece("k", "o i h w"),)}),
    Layer("b", "conv", {"kernel": (Piece("k", "h w i o"),)}),
)
BY_HEADS = (
    Layer("a", "dense", {"kernel": (Piece("k", "heads dim i", ".reshape(2, 3, 3, 4)[:, 1]"),)}, {}, {"o": "heads dim"}),
    Layer("b", "dense", {"kernel": (Piece("k", "i o"),)}),
)
PACKED = (
    Layer("a", "dense", {"kernel": (Piece("k", "o i", "[6:12]"),)}),
    Layer("b", "dense", {"kernel": (Piece("k", "i heads dim"),)}, composed={"o": "heads dim"}),
)
DEPTHWISE = (
    Layer("a", "depthwise_conv", {"kernel": (Piece("k", "(c m) 1 w", sizes={"c": 4}),)}),
    Layer("b", "depthwise_conv", {"kernel": (Piece("k", "w c m"),)}),
)
TURNED = (
    Layer("a", "conv_transpose", {"kernel": (Piece("k", "i o w"),)}),
    Layer("b", "conv_transpose", {"kernel": (Piece("k", "w i o", "[::-1]"),)}),
)


@pytest.mark.parametrize(
    ("both", "shapes", "moved"),
    [
        (CONV, ((5, 4, 3, 2), (3, 2, 4, 5)), lambda a: a.transpose(2, 3, 1, 0)),
        (PACKED, ((18, 4), (4, 2, 3)), lambda a: a[6:12].T.reshape(4, 2, 3)),
        (BY_HEADS, ((18, 4), (4, 6)), lambda a: np.concatenate([a[3:6], a[12:15]]).T),
        (DEPTHWISE, ((8, 1, 3), (3, 4, 2)), lambda a: einops.rearrange(a, "(c m) 1 w -> w c m", c=4)),
        (TURNED, ((4, 5, 3), (3, 4, 5)), lambda a: a.transpose(2, 0, 1)[::-1]),
    ],
    ids=["conv", "packed", "by heads", "depthwise", "turned"],
)
def test_twins_get_the_same_weights_whatever_their_layout(
    both: tuple[Layer, Layer], shapes: tuple[tuple[int, ...], tuple[int, ...]], moved: Callable[[Array], Array]
) -> None:
    forms = [{"k": shape} for shape in shapes]
    assert signature(both[0], forms[0]) == signature(both[1], forms[1])
    here, there = (
        put(synthetic(layer, form)["k"], np.zeros(form["k"], np.float32))
        for layer, form in zip(both, forms, strict=True)
    )
    assert np.array_equal(moved(here), there)
    assert np.std(there) > 0.1
    other = Layer("other", both[0].kind + "x", both[0].roles)
    assert not np.array_equal(put(synthetic(other, forms[0])["k"], np.zeros(shapes[0])), here)


def test_weights_come_to_their_place_whatever_the_order_in_memory() -> None:
    filled = put([(".reshape(6)[1:3]", np.ones(2))], np.zeros((2, 3), order="F"))
    assert filled.tolist() == [[0, 1, 1], [0, 0, 0]]


def test_of_a_bias_that_is_the_sum_of_two_the_second_is_nothing() -> None:
    two = Layer("a", "lstm", {"bias": (Piece("x", "o"), Piece("y", "o"))})
    one = Layer("b", "lstm", {"bias": (Piece("z", "o"),)})
    found = synthetic(two, {"x": (4,), "y": (4,)})
    assert np.array_equal(found["x"][0][1], synthetic(one, {"z": (4,)})["z"][0][1])
    assert not found["y"][0][1].any()


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ((2, 3, 8, 9), (2, 8, 9, 3), [(0, 2, 3, 1)]),
        ((2, 4, 4, 4), (2, 4, 4, 4), [(0, 1, 2, 3), (0, 2, 3, 1)]),
        ((2, 3, 8, 9), (2, 3, 8, 9), [(0, 1, 2, 3)]),
        ((7, 2, 3), (2, 7, 3), [(1, 0, 2)]),
        ((2, 2, 3), (3, 2, 2), []),
        ((2, 3), (2, 4), []),
        ((2, 3), (2, 3, 1), []),
        ((), (), [()]),
    ],
)
def test_the_orders_of_axes_that_fit(source: tuple[int, ...], target: tuple[int, ...], expected: list[object]) -> None:
    usual = layouts.moved(len(source), True, True)
    assert list(layouts.orders(source, target, usual)) == expected


@pytest.mark.parametrize("rank", range(7))
def test_channels_that_were_moved_come_back(rank: int) -> None:
    array = np.arange(np.prod(range(2, 2 + rank), dtype=int)).reshape(tuple(range(2, 2 + rank)))
    there = layouts.ordered(array, layouts.moved(rank, True, True))
    assert (there.shape[-1] == array.shape[1]) if 3 <= rank <= 5 else np.array_equal(there, array)
    assert np.array_equal(layouts.ordered(there, layouts.moved(rank, False, False)), array)
    assert layouts.moved(rank, True, False) == layouts.moved(rank, False, True) == tuple(range(rank))
