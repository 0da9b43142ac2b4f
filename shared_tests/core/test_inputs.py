"""Descriptions of inputs, and what is drawn from them."""

from __future__ import annotations

import numpy as np
import pytest

from constate.errors import UsageError
from constate.instruments.inputs import Call, Drawn, Given, Inputs, as_inputs, parse, parse_all


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f32[8,16]", Drawn("float32", (8, 16))),
        (" bf16[ 2, 3 ] ", Drawn("bfloat16", (2, 3))),
        ("i64[4]<100", Drawn("int64", (4,), 100.0)),
        ("float64[]", Drawn("float64", ())),
        ("f32[2]<1e3", Drawn("float32", (2,), 1000.0)),
        ("None", None),
        ("3", 3),
        ("'gelu'", "gelu"),
        ("(1, 2)", (1, 2)),
    ],
)
def test_a_description_is_read(text: str, expected: object) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["f33[2]", "f32[2", "f32(2)", "float[2]", "", "foo"])
def test_what_cannot_be_read_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert repr(text) in str(refused.value) and "f32[8,16]" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_draws_have_their_form_and_range() -> None:
    rng = np.random.default_rng(0)
    integers = Drawn("int64", (64,), 10).draw(rng)
    assert integers.dtype == np.int64 and integers.min() == 0 and integers.max() == 9
    assert set(Drawn("int32", (64,)).draw(rng).tolist()) == {0, 1}
    reals = Drawn("float32", (1000,), 50).draw(rng)
    assert reals.dtype == np.float32 and reals.min() >= 0 and 40 < reals.max() < 50
    assert Drawn("bool", (64,)).draw(rng).dtype == np.bool_
    assert np.abs(Drawn("complex64", (64,)).draw(rng).imag).max() > 0
    assert str(Drawn("bfloat16", (3,)).draw(rng).dtype) == "bfloat16"
    assert Drawn("float32", ()).draw(rng).shape == ()


def test_the_first_call_repeats_and_others_differ() -> None:
    inputs = parse_all(["f32[4,3]", "mask=bool[4]"])
    assert np.array_equal(inputs.first().args[0], inputs.first().args[0])
    assert np.array_equal(inputs.other(1).args[0], inputs.other(1).args[0])
    assert not np.array_equal(inputs.other(1).args[0], inputs.other(2).args[0])
    assert not np.array_equal(inputs.other(0).args[0], inputs.first().args[0])
    assert inputs.first().kwargs["mask"].shape == (4,)


def test_a_given_array_comes_first_as_it_is_and_then_permuted() -> None:
    array = np.arange(12).reshape(3, 4)
    inputs = as_inputs([array], lambda item: None)
    assert np.array_equal(inputs.first().args[0], array)
    other = inputs.other(0).args[0]
    assert not np.array_equal(other, array) and sorted(other.ravel()) == sorted(array.ravel())


def test_what_a_user_hands_over_in_any_form() -> None:
    array = np.ones(2)
    to_array = lambda item: np.array(item.content) if isinstance(item, Foreign) else None  # noqa: E731
    assert as_inputs("f32[2]", to_array).form == Call((Drawn("float32", (2,)),))
    assert as_inputs({"x": "f32[2]"}, to_array).form == Call((), {"x": Drawn("float32", (2,))})
    both = as_inputs((["f32[2]"], {"y": 3}), to_array).form
    assert both == Call((Drawn("float32", (2,)),), {"y": 3})
    nested = as_inputs([{"a": [array, Foreign([1.0])]}], to_array).form.args[0]
    assert isinstance(nested["a"][0], Given) and nested["a"][1].array.tolist() == [1.0]
    assert as_inputs(["x=f32[2]"], to_array).form == Call((), {"x": Drawn("float32", (2,))})
    assert isinstance(as_inputs(array, to_array).form.args[0], Given)


class Foreign:
    """An array of some framework."""

    def __init__(self, content: list[float]) -> None:
        self.content = content


def test_positional_after_keyword_is_refused() -> None:
    with pytest.raises(UsageError, match="put those without a name first"):
        parse_all(["x=f32[2]", "f32[2]"])


def test_dimensions_are_resized_together_and_alone() -> None:
    inputs = Inputs(Call((Drawn("float32", (2, 8, 8)), Drawn("bool", (2, 8)))))
    axes = inputs.axes()
    sequence = frozenset({(0, 1), (1, 1)})
    assert sequence in axes and frozenset({(0, 2)}) in axes and frozenset({(0, 0), (1, 0)}) in axes
    longer = inputs.resized(sequence, 5).first()
    assert [array.shape for array in longer.args] == [(2, 5, 8), (2, 5)]
    assert inputs.size(sequence) == 8
