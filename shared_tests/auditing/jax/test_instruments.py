"""The instruments of plain JAX on pytrees of every kind."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import constate
from constate.errors import Refused, Unsupported, UsageError
from constate.instruments.inputs import parse_all
from constate.state import same_bits
from constate_jax.arrays import split_host
from constate_jax.auditing import Pytrees

split_host()  # before anything starts JAX
TABLE = np.arange(600, dtype=np.float32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Layer:
    """One leaf of each kind, and things that are none."""

    weight: jax.Array
    stopped: jax.Array
    table: np.ndarray
    count: jax.Array
    key: jax.Array
    absent: jax.Array | None = None
    rate: float = 0.5
    inference: bool = False
    helper: Any = dataclasses.field(default=None, metadata={"static": True})

    def __call__(self, x: jax.Array, *, scale: float = 1.0, key: jax.Array | None = None) -> dict[str, Any]:
        y = (x @ self.weight + jax.lax.stop_gradient(self.stopped)) * scale + self.table
        if not self.inference:
            assert key is not None
            y = y + jax.random.normal(key, y.shape)
        return {"y": y, "parts": [y.sum(), None], "name": "y"}


def layer(key: jax.Array, helper: Any = None) -> Layer:
    weight = jax.random.normal(key, (4, 3))
    return Layer(weight, jnp.ones(3), np.arange(3, dtype=np.float32), jnp.zeros((), jnp.int32), key, helper=helper)


def build() -> Layer:
    return layer(jax.random.key(0))


@pytest.fixture
def pytrees() -> Pytrees:
    made = Pytrees(build)
    made.inputs = parse_all(["f32[2,4]"])
    return made


def test_entries_are_the_array_leaves(pytrees: Pytrees) -> None:
    held = pytrees.entries(pytrees.build(0))
    assert list(held) == ["weight", "stopped", "table", "count", "key"]
    assert [held[path].trainable for path in held] == [True, True, True, False, False]
    assert (held["key"].dtype, held["key"].shape) == ("uint32", (2,))
    assert (held["table"].device, held["weight"].device) == ("host", "cpu:0")
    assert held["weight"].owner is Layer and held["weight"].name == "weight"
    assert pytrees.optional(pytrees.build(0)) == ["absent"]
    assert pytrees.entries(pytrees.abstract(0)).keys() == held.keys()


def test_another_seed_gives_a_factory_that_makes_its_own_key_another_one() -> None:
    values = [Pytrees(build).read(Pytrees(build).build(seed), "weight") for seed in (0, 0, 1)]
    assert same_bits(values[0], values[1]) and not same_bits(values[0], values[2])
    assert same_bits(values[0], np.asarray(build().weight)), "the user's own for seed 0"


@pytest.mark.parametrize(
    "factory", [layer, functools.partial(layer, helper=3), lambda seed: layer(jax.random.key(seed))]
)
def test_another_seed_gives_a_factory_that_takes_it_another_one(factory: Callable[..., Layer]) -> None:
    made = Pytrees(factory)
    assert not same_bits(made.read(made.build(0), "weight"), made.read(made.build(1), "weight"))


def test_a_seed_that_is_written_in_a_constructor_is_the_same_for_all() -> None:
    @jax.tree_util.register_pytree_node_class
    class Own:
        def __init__(self, table: Any = None) -> None:
            self.table = jax.random.normal(jax.random.key(7), (3,)) if table is None else table

        def tree_flatten(self) -> Any:
            return (self.table,), None

        @classmethod
        def tree_unflatten(cls, aux: None, children: Any) -> Any:
            return cls(*children)

        def __call__(self, x: jax.Array) -> jax.Array:
            return x * self.table

    made = Pytrees(lambda: Own())
    (path,) = made.entries(made.build(0))
    assert same_bits(made.read(made.build(0), path), made.read(made.build(1), path))


def test_read_write_save_and_load_are_bit_for_bit(pytrees: Pytrees) -> None:
    module = pytrees.build(0)
    poison = np.frombuffer(b"\xa5" * 48, np.float32).reshape(4, 3)
    written = pytrees.write(pytrees.write(module, "weight", poison), "key", np.array([1, 2], np.uint32))
    assert same_bits(pytrees.read(written, "weight"), poison)
    assert not same_bits(pytrees.read(module, "weight"), poison), "the old handle stays as it was"
    loaded = pytrees.load(pytrees.build(1), pytrees.save(written))
    assert same_bits(pytrees.read(loaded, "weight"), poison)
    assert same_bits(pytrees.read(loaded, "key"), np.array([1, 2], np.uint32))


def test_python_numbers_are_saved_as_equinox_does(pytrees: Pytrees) -> None:
    saved = pytrees.save(dataclasses.replace(pytrees.build(0), tree=dataclasses.replace(build(), rate=0.25)))
    assert pytrees.load(pytrees.build(1), saved).tree.rate == 0.25


@pytest.mark.parametrize("change", [{"absent": jnp.ones(1)}, {"weight": jnp.ones((4, 2))}, {"count": jnp.zeros(())}])
def test_another_structure_shape_or_dtype_is_refused_by_name(pytrees: Pytrees, change: dict[str, jax.Array]) -> None:
    other = Pytrees(lambda: dataclasses.replace(build(), **change))
    with pytest.raises(Refused, match=next(iter(change))):
        pytrees.load(pytrees.build(0), other.save(other.build(0)))
    with pytest.raises(Refused, match=next(iter(change))):
        other.load(other.build(0), pytrees.save(pytrees.build(0)))


def test_no_two_copies_are_one(pytrees: Pytrees) -> None:
    module = pytrees.build(0)
    own = {held.identity for held in pytrees.entries(module).values()}
    assert len(own) == 5
    for how in pytrees.copies():
        copied = pytrees.copy(module, how)
        assert not own & {held.identity for held in pytrees.entries(copied).values()}
        assert same_bits(pytrees.read(copied, "table"), pytrees.read(module, "table"))
    assert own == {held.identity for held in pytrees.entries(module).values()}


def test_modes_and_keys_reach_the_module(pytrees: Pytrees) -> None:
    module, call = pytrees.build(0), parse_all(["f32[2,4]", "scale=2.0"]).first()
    outputs, _ = pytrees.run(module, call)
    assert outputs.keys() == {"y", "parts/0"} and outputs["y"].shape == (2, 3)
    x = call.args[0]
    expected = (x @ pytrees.read(module, "weight") + 1) * 2 + np.arange(3)
    np.testing.assert_allclose(outputs["y"], expected, rtol=1e-5)
    noisy = [pytrees.run(module, call, training=True, seed=seed)[0]["y"] for seed in (0, 0, 1)]
    assert same_bits(noisy[0], noisy[1]) and not same_bits(noisy[0], noisy[2])
    bare = pytrees.run(pytrees.abstract(0), call, training=True)[0]
    assert {path: array.shape for path, array in bare.items()} == {path: array.shape for path, array in outputs.items()}


def test_every_array_of_floats_is_trained_and_gradients_say_which_are_reached(pytrees: Pytrees) -> None:
    assert pytrees.inputs is not None and not pytrees.explicit
    call = pytrees.inputs.first()
    gradients = pytrees.gradients(pytrees.build(0), call)
    assert {path for path, found in gradients.items() if found is not None} == {"weight", "table"}
    assert gradients.keys() == {"weight", "stopped", "table"}
    trained = pytrees.train(pytrees.build(0), [call] * 2, "adamw")
    moved = {p for p, v in pytrees.save(pytrees.build(0)).items() if not same_bits(v, pytrees.save(trained)[p])}
    assert moved == {"weight", "stopped", "table"}, "weight decay moves what no gradient reaches"
    unmoved = pytrees.train(pytrees.build(0), [call], "sgd")
    assert same_bits(pytrees.read(unmoved, "stopped"), np.ones(3, np.float32))


def test_a_move_and_a_cast_take_the_floats_along(pytrees: Pytrees) -> None:
    assert pytrees.inputs is not None
    device = pytrees.devices()[0]
    moved = pytrees.move(pytrees.build(0), device)
    assert {held.device for held in pytrees.entries(moved).values()} == {device} != {"cpu:0"}
    assert pytrees.run(moved, pytrees.inputs.first())[0]["y"].shape == (2, 3)
    cast = pytrees.cast(pytrees.build(0), "bfloat16")
    dtypes = {path: held.dtype for path, held in pytrees.entries(cast).items()}
    assert dtypes == {
        "weight": "bfloat16",
        "stopped": "bfloat16",
        "table": "bfloat16",
        "count": "int32",
        "key": "uint32",
    }
    assert pytrees.run(cast, pytrees.inputs.first())[0]["y"].dtype == ml_dtypes.bfloat16
    with pytest.raises(Unsupported, match="x64"):
        pytrees.cast(pytrees.build(0), "float64")


def test_an_abstract_instance_has_no_memory_until_it_is_given_some(pytrees: Pytrees) -> None:
    bare = pytrees.abstract(0)
    assert pytrees.entries(bare)["weight"].device == "none"
    real = pytrees.materialise(bare)
    assert pytrees.entries(real)["weight"].device == "cpu:0"
    assert same_bits(
        pytrees.read(pytrees.load(real, pytrees.save(pytrees.build(0))), "weight"), np.asarray(build().weight)
    )


def test_a_pair_of_a_tree_and_a_function_gives_back_its_tree() -> None:
    def apply(tree: dict[str, Any], x: jax.Array, training: bool = False) -> Any:
        mean = 0.5 * tree["stats"]["mean"] + 0.5 * x.mean(0) if training else tree["stats"]["mean"]
        return (x - mean) * tree["scale"] + TABLE[:4], {**tree, "stats": {"mean": mean}}

    made = Pytrees(lambda: ({"scale": jnp.ones(4), "stats": {"mean": jnp.zeros(4)}}, jax.jit(apply, static_argnums=2)))
    made.inputs = parse_all(["f32[3,4]"])
    call = made.inputs.first()
    assert list(made.entries(made.build(0))) == ["scale", "stats/mean"]
    outputs, after = made.run(made.build(0), call, training=True)
    assert outputs.keys() == {""}
    np.testing.assert_allclose(made.read(after, "stats/mean"), call.args[0].mean(0) / 2, rtol=1e-6)
    assert not made.read(made.run(made.build(0), call)[1], "stats/mean").any()
    stepped = made.train(made.build(0), [call], "sgd")
    assert made.read(stepped, "stats/mean").any() and not same_bits(made.read(stepped, "scale"), np.ones(4, np.float32))


def test_literals_are_named_by_their_function_and_matched_to_their_place() -> None:
    def apply(tree: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda carry, _: (carry * tree[0] + TABLE, None), x, None, 2)[0] + 2 * TABLE

    made = Pytrees(lambda: ([jnp.ones(())], lambda tree, x: apply(tree, x)))
    found = made.literals(made.build(0), parse_all(["f32[600]"]).first())
    assert sorted(baked.nbytes for baked in found) == [2400, 2400]
    held = {h.path: made.address(h.value) for h in made.holdings(made.build(0)) if isinstance(h.value, np.ndarray)}
    assert [address in {baked.identity for baked in found} for address in held.values()] == [True], held
    assert {baked.name for baked in found} == {"apply"}


def test_what_is_held_outside_of_the_tree() -> None:
    class Helper:
        def __init__(self) -> None:
            self.drawn, self.lock = jnp.ones(2), threading.Lock()

    helper = Helper()
    made = Pytrees(lambda: layer(jax.random.key(0), helper))
    arrays = {h.path for h in made.holdings(made.build(0)) if made.is_array(h.value)}
    assert arrays == {"helper.drawn"}
    module = made.build(0)
    helper.drawn = module.tree.weight
    assert not [h for h in made.holdings(module) if made.is_array(h.value)], "an alias of an entry"


class Hostile:
    """A node whose properties must not run, with a cycle through a helper."""

    asked = 0

    def __init__(self, weight: Any) -> None:
        self.weight = weight
        self.numbers = iter(range(3))
        self.me = [self]

    @property
    def effect(self) -> int:
        type(self).asked += 1
        raise RuntimeError("asked for")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"asked for {name}")

    def __call__(self, x: jax.Array, **options: bool) -> Any:
        return [{"out": x * self.weight, 3: options}]


jax.tree_util.register_pytree_node(Hostile, lambda h: ((h.weight,), None), lambda _, children: Hostile(*children))


def test_a_hostile_module_breaks_nothing_and_nothing_of_it_runs() -> None:
    report = constate.check(lambda: Hostile(jnp.ones(4)), ["f32[2,4]"])
    assert report.backend == "jax" and Hostile.asked == 0
    assert not [finding for finding in report.findings if finding.severity == "fail"], report


@pytest.mark.parametrize(
    "made", [{"a": jnp.ones(2)}, jnp.ones(2), (jnp.ones(2), 3), lambda x: x, Layer, [1, print], ((), print)]
)
def test_what_is_no_module_is_not_taken_for_one(made: Any) -> None:
    assert not Pytrees.owns(made)
    with pytest.raises(UsageError, match="pytree"):
        Pytrees(lambda: made).build(0)


def test_outputs_of_any_structure() -> None:
    class Foreign:
        def __init__(self, value: Any) -> None:
            self.value, self.more = value, [value]

    def shapes(outputs: Callable[[jax.Array], Any]) -> dict[str, tuple[int, ...]]:
        made = Pytrees(lambda: ([jnp.ones(2)], lambda tree, x: outputs(x * tree[0])))
        found, _ = made.run(made.build(0), parse_all(["f32[2]"]).first())
        return {path: array.shape for path, array in found.items()}

    assert shapes(lambda y: y) == {"": (2,)}
    assert shapes(lambda y: [{"f": Foreign(y), "n": 2.5, "s": "text"}]) == {"0/f/value": (2,), "0/n": ()}
    assert shapes(lambda y: {"a": y, 1: y[:1]}) == {"['a']": (2,), "[1]": (1,)}, "keys that cannot be sorted"
    assert shapes(lambda y: None) == {}


def test_odd_dtypes_and_empty_arrays_cross() -> None:
    tree = {name: jnp.zeros((2,), name) for name in ("float8_e4m3fn", "bfloat16", "int4", "complex64", "bool")}
    tree |= {"empty": jnp.zeros((0, 3)), "scalar": jnp.asarray(np.float16(2))}
    made = Pytrees(lambda: (tree, lambda tree, x: (x * tree["scalar"], tree["complex64"])))
    made.inputs = parse_all(["f32[2]"])
    handle = made.build(0)
    assert {path: held.dtype for path, held in made.entries(handle).items()} == {
        p: str(a.dtype) for p, a in tree.items()
    }
    loaded = made.load(made.materialise(made.abstract(0)), made.save(handle))
    assert all(same_bits(made.read(loaded, path), made.read(handle, path)) for path in tree)
    assert made.run(handle, made.inputs.first())[0].keys() == {"0", "1"}


def test_seven_billion_parameters_are_audited_without_memory() -> None:
    def large() -> Any:
        blocks = [{"up": jnp.zeros((5120, 20480)), "down": jnp.zeros((20480, 5120))} for _ in range(34)]
        return blocks, lambda blocks, x: functools.reduce(
            lambda h, b: h + jax.nn.relu(h @ b["up"]) @ b["down"], blocks, x
        )

    report = constate.check(large, ["f32[2,5120]"])
    verdicts = {law: str(verdict) for law, verdict in report.verdicts.items()}
    assert verdicts["P01"] == verdicts["P11"] == verdicts["D04"] == "holds", report
    assert verdicts["P09"] == "untested" and "GiB" in report.reason("P09")


def test_every_law_that_is_tried_has_a_fix() -> None:
    from constate.auditing.hazards import HAZARDS

    assert HAZARDS.keys() <= Pytrees.fixes.keys()
