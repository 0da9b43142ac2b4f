"""The references are what their papers say, seen from another side than the one they are computed from."""

from __future__ import annotations

import numpy as np
import pytest

from constate.catalog import CATALOG, Reference, get_reference
from constate.laws.gradients import numerical_gradient
from constate.state import SEPARATOR, Array, Kind

SEED = 5


def prepared(name: str) -> tuple[Reference, dict[str, Array], tuple[Array, ...]]:
    """A reference with a state and inputs."""
    reference = get_reference(name)
    rng = np.random.default_rng(SEED)
    return reference, reference.initial_state(rng), reference.inputs(rng)


@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize("large", [False, True])
def test_state_is_as_declared(name: str, large: bool) -> None:
    reference = CATALOG[name].large() if large else get_reference(name)
    state = reference.initial_state(np.random.default_rng(SEED))
    found = {path: (value.shape, str(value.dtype)) for path, value in state.items()}
    assert found == {entry.path: (entry.shape, entry.dtype) for entry in reference.entries()}
    for entry in reference.entries():
        assert entry.persistent == (entry.kind is not Kind.DERIVED)
        assert all(part.isidentifier() for part in entry.path.split(SEPARATOR))
        if large and entry.shape:
            assert state[entry.path].nbytes > 1024


@pytest.mark.parametrize("name", CATALOG)
def test_source_has_a_link(name: str) -> None:
    assert get_reference(name).link.startswith("http")


@pytest.mark.parametrize("name", CATALOG)
def test_apply_changes_no_input_and_keeps_shapes(name: str) -> None:
    reference, state, inputs = prepared(name)
    kept = {path: value.copy() for path, value in state.items()}
    for training in (False, True):
        outputs, after = reference.apply(state, inputs, training)
        assert outputs.dtype == np.float64
        assert {path: value.shape for path, value in after.items()} == {p: v.shape for p, v in kept.items()}
        assert all(np.array_equal(state[path], value) for path, value in kept.items())


def test_positional_encoding_is_a_rotation_of_itself() -> None:
    """Of any offset, the encoding is a linear function of the encoding before it (section 3.5)."""
    _, state, _ = prepared("positional_encoding")
    table = state["table"].astype(np.float64).reshape(64, 8, 2)
    assert np.allclose(table[0], [0, 1])
    inner = (table[:, None] * table[None]).sum(-1)
    assert np.allclose(inner[10, 13], inner[40, 43], atol=1e-6)
    assert np.allclose(table[1, 0], [np.sin(1), np.cos(1)])


def test_batch_norm_normalises_and_averages() -> None:
    reference, state, (x,) = prepared("batch_norm")
    outputs, after = reference.apply(state, (x,), True)
    normal = (outputs - state["bias"]) / state["scale"]
    assert np.allclose(normal.mean(0), 0, atol=1e-6)
    assert np.allclose(normal.std(0), 1, atol=1e-4)
    assert np.allclose(after["variance"] - 0.9 * state["variance"], 0.1 * np.cov(x.T).diagonal(), rtol=1e-5)
    assert after["count"] == 8


def test_input_normalizer_is_the_mean_of_all_rows() -> None:
    reference = get_reference("input_normalizer")
    rng = np.random.default_rng(SEED)
    zero = np.zeros(8)
    state: dict[str, Array] = {"mean": zero, "variance": zero, "count": np.array(0, np.int32)}
    rows = [rng.standard_normal((n, 8)) * 3 + 5 for n in (1, 7, 30)]
    for chunk in rows:
        _, state = reference.apply(state, (chunk,), True)
    every = np.concatenate(rows)
    assert np.allclose(state["mean"], every.mean(0))
    assert np.allclose(state["variance"], every.var(0))
    assert state["count"] == 38


def test_attention_sees_no_future() -> None:
    reference, state, (x,) = prepared("causal_attention")
    changed = x.copy()
    changed[:, 6:] += 1
    one, two = (reference.apply(state, (value,), False)[0] for value in (x, changed))
    assert np.array_equal(one[:, :6], two[:, :6])
    assert (one[:, 6:] != two[:, 6:]).all()
    first = x[:, :1].astype(np.float64) @ state["value/kernel"] @ state["output/kernel"]
    assert np.allclose(one[:, :1], first)


def test_rotation_keeps_lengths_and_depends_on_the_distance() -> None:
    reference, state, (x, positions) = prepared("rotary_embedding")
    outputs, _ = reference.apply(state, (x, positions), False)
    assert np.allclose(np.linalg.norm(outputs, axis=-1), np.linalg.norm(x.astype(np.float64), axis=-1))
    same = np.repeat(x[:, :1], 6, axis=1)
    turned, _ = reference.apply(state, (same, np.array([0, 3, 10, 13, 50, 53])), False)
    inner = (turned[:, ::2] * turned[:, 1::2]).sum(-1)
    assert np.allclose(inner, inner[:, :1])


def test_frozen_linear_is_linear() -> None:
    reference, state, (x,) = prepared("frozen_linear")
    none, once, twice = (reference.apply(state, (value,), False)[0] for value in (0 * x, x, 2 * x))
    assert np.allclose(twice - once, once - none)
    assert np.allclose(none, state["bias"])


def test_numerical_gradient_of_what_is_known() -> None:
    reference, state, (x,) = prepared("frozen_linear")
    cotangents = np.random.default_rng(1).standard_normal((4, 32))
    _, (by_x,) = numerical_gradient(reference, state, (x,), cotangents, False)
    assert by_x is not None
    assert np.allclose(by_x, cotangents @ state["kernel"].T.astype(np.float64), atol=1e-8)
