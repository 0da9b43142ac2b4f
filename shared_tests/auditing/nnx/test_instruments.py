"""NNX's instruments on modules of every kind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx

import constate
from constate.auditing.targets import required
from constate.errors import Refused
from constate.instruments.inputs import parse_all
from constate.state import same_bits
from constate_flax.nnx.auditing import NNX


class Frozen(nnx.Variable[Any]):
    """State that is not trained."""


class Helper:
    """An object that NNX knows nothing of."""

    def __init__(self) -> None:
        self.hidden = nnx.Param(jnp.ones(2))
        self.lock = threading.Lock()


class Norm(nnx.Module):
    """Variables, arrays and numbers of all kinds, in lists and trees, and Python state beside them."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.weight = nnx.Param(rngs.params.normal((4,)))
        self.stopped = nnx.Param(jnp.ones(4))
        self.mean = nnx.BatchStat(jnp.zeros(4))
        self.seen = Frozen(0)
        self.tree = Frozen({"a": jnp.ones(2), "b": [jnp.zeros(1, jnp.bfloat16)]})
        self.absent = Frozen(None)
        self.table = np.arange(4, dtype=np.float32)
        self.gains = nnx.List([Frozen(jnp.ones(1))])
        self.inner = nnx.List([nnx.Linear(4, 4, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)])
        self.passes, self.log = 0, [0]

    def __call__(self, x: jax.Array, scale: float = 1.0, *, training: bool = False) -> dict[str, Any]:
        self.passes += 1
        self.log.append(self.passes)
        self.sow(nnx.Intermediate, "raw", x)
        self.sow(Frozen, "size", x.sum(), init_fn=lambda: 0.0, reduce_fn=lambda old, new: old + new)
        if training:
            self.mean[...] = 0.9 * self.mean[...] + 0.1 * x.mean(0)
            self.seen.set_value(self.seen.get_value() + 1)
        y = self.inner[1](self.inner[0](x) - self.mean) * self.weight * scale
        return {"y": y + jax.lax.stop_gradient(self.stopped[...]) + self.table, "parts": [y.sum(), None], "name": "y"}


PATHS = {
    "weight", "stopped", "mean", "seen", "tree/a", "tree/b/0", "table", "gains/0",
    "inner/0/kernel", "inner/0/bias", "inner/1/rngs/key", "inner/1/rngs/count",
}  # fmt: skip
TRAINED = {"weight", "stopped", "inner/0/kernel", "inner/0/bias"}


@pytest.fixture
def instruments() -> NNX:
    made = NNX(lambda: Norm(nnx.Rngs(0)))
    made.inputs = parse_all(["f32[3,4]"])
    return made


def test_entries_are_all_there_and_say_what_they_are(instruments: NNX) -> None:
    held = instruments.entries(instruments.build(0))
    assert held.keys() == PATHS == instruments.entries(instruments.abstract(0)).keys()
    assert {path for path, one in held.items() if one.trainable} == TRAINED
    assert (held["inner/1/rngs/key"].dtype, held["inner/1/rngs/key"].shape) == ("uint32", (2,))
    assert (held["seen"].dtype, held["tree/b/0"].dtype) == ("int32", "bfloat16")
    assert held["weight"].owner is Norm and held["tree/a"].name == "tree"
    assert held["gains/0"].owner is Norm and held["gains/0"].name == "gains"
    assert held["inner/0/kernel"].owner is nnx.Linear and held["inner/0/kernel"].name == "kernel"
    assert len({one.identity for one in held.values()}) == len(held)
    assert instruments.optional(instruments.build(0)) == ["absent"]


@pytest.mark.parametrize("path", sorted(PATHS))
def test_read_and_write_are_bit_for_bit(instruments: NNX, path: str) -> None:
    module = instruments.build(0)
    old = instruments.read(module, path)
    new = np.frombuffer(b"\x3c" * old.nbytes, old.dtype).reshape(old.shape)
    others = {other: instruments.read(module, other) for other in PATHS - {path}}
    module = instruments.write(module, path, new)
    assert same_bits(instruments.read(module, path), new)
    assert all(same_bits(instruments.read(module, other), value) for other, value in others.items())


def test_a_pass_moves_the_module_and_leaves_no_intermediates(instruments: NNX) -> None:
    module, call = instruments.build(0), parse_all(["f32[3,4]", "scale=2.0"]).first()
    first, module = instruments.run(module, call)
    assert first.keys() == {"y", "parts/0"} and first["y"].shape == (3, 4)
    again, module = instruments.run(module, call)
    assert same_bits(first["y"], again["y"]), "no dropout in eval mode"
    assert instruments.entries(module).keys() == PATHS and not {"raw", "size"} & vars(module).keys()
    noisy, module = instruments.run(module, call, training=True)
    assert (noisy["y"] == 1 + np.arange(4)).any(), "dropped"
    assert instruments.read(module, "seen") == 1 and instruments.read(module, "mean").any()
    assert module.passes == 3 and module.log == [0, 1, 2, 3]


def test_training_moves_parameters_statistics_and_python(instruments: NNX) -> None:
    assert instruments.inputs is not None
    calls, fresh = [instruments.inputs.other(0)] * 2, instruments.build(0)
    for scope in ("trainable", "careless"):
        trained = instruments.train(instruments.build(0), calls, "adamw", scope)  # type: ignore[arg-type]
        moved = {p for p in PATHS if not same_bits(instruments.read(trained, p), instruments.read(fresh, p))}
        assert moved == TRAINED | {"mean", "seen", "inner/1/rngs/count"}
        assert trained.passes == 2 and trained.log == [0, 1, 2]
    stepped = instruments.train(instruments.build(0), calls, "sgd")
    assert same_bits(instruments.read(stepped, "stopped"), instruments.read(fresh, "stopped"))


def test_a_step_is_the_one_that_optax_takes(instruments: NNX) -> None:
    assert instruments.inputs is not None
    call, module, reference = instruments.inputs.first(), instruments.build(0), instruments.build(0)
    reference.train()

    def loss(module: Norm) -> jax.Array:
        outputs = module(jnp.asarray(call.args[0]), training=True)
        return (outputs["y"] ** 2).mean() + outputs["parts"][0] ** 2

    gradient = nnx.to_pure_dict(nnx.grad(loss)(reference))["weight"]
    before = instruments.read(module, "weight")
    stepped = instruments.read(instruments.train(module, [call], "sgd"), "weight")
    np.testing.assert_allclose(stepped, before - 0.01 * gradient, rtol=1e-5)


def test_gradients_say_which_parameters_are_reached(instruments: NNX) -> None:
    assert instruments.inputs is not None
    found = instruments.gradients(instruments.build(0), instruments.inputs.first())
    assert found.keys() == TRAINED
    assert {path for path, gradient in found.items() if gradient is None} == {"stopped"}


def test_what_a_module_keeps_of_a_training_pass_is_an_array(instruments: NNX) -> None:
    class Keeps(nnx.Module):
        def __init__(self) -> None:
            self.weight, self.seen = nnx.Param(jnp.ones(4)), []

        def __call__(self, x: jax.Array) -> jax.Array:
            self.seen.append(x * self.weight)
            return self.seen[-1]

    made = NNX(Keeps)
    kept = made.train(made.build(0), [parse_all(["f32[3,4]"]).first()], "sgd").seen[0]
    assert not isinstance(kept, jax.core.Tracer) and made.value(kept).shape == (3, 4)


def test_what_is_held_outside(instruments: NNX) -> None:
    module = instruments.build(0)
    assert not [h for h in instruments.holdings(module) if instruments.is_array(h.value)]
    object.__setattr__(module, "helper", Helper())
    module.helper.alias = [module.weight, module.mean[...]]
    hidden = {h.path for h in instruments.holdings(module) if instruments.is_array(h.value)}
    assert hidden == {"helper.hidden"}
    (found,) = (h for h in instruments.holdings(module) if instruments.is_variable(h.value))
    assert found.owner is Helper and instruments.value(found.value).shape == (2,)
    found.put(instruments.moved(found.value, instruments.devices()[0]))
    assert instruments.device(module.helper.hidden) == instruments.devices()[0]


def test_save_and_load_are_strict(instruments: NNX) -> None:
    assert instruments.inputs is not None
    trained = instruments.train(instruments.build(0), [instruments.inputs.first()], "sgd")
    loaded = instruments.load(instruments.materialise(instruments.abstract(1)), instruments.save(trained))
    assert all(same_bits(instruments.read(loaded, path), instruments.read(trained, path)) for path in PATHS)
    other = instruments.build(0)
    other.late = Frozen(jnp.ones(1))
    with pytest.raises(Refused, match="late"):
        instruments.load(instruments.build(0), instruments.save(other))
    with pytest.raises(Refused, match="late"):
        instruments.load(other, instruments.save(instruments.build(0)))


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_share_nothing(instruments: NNX, how: str) -> None:
    module = instruments.build(0)
    copied = instruments.copy(module, how)
    assert not {one.identity for one in instruments.entries(module).values()} & {
        one.identity for one in instruments.entries(copied).values()
    }
    assert all(same_bits(instruments.read(copied, path), instruments.read(module, path)) for path in PATHS)


def test_a_move_and_a_cast_take_the_state_along(instruments: NNX) -> None:
    assert instruments.inputs is not None
    device = instruments.devices()[0]
    moved = instruments.move(instruments.build(0), device)
    assert {one.device for path, one in instruments.entries(moved).items() if path != "seen"} == {device}
    assert instruments.run(moved, instruments.inputs.first())[0]["y"].shape == (3, 4)
    cast = instruments.cast(instruments.build(0), "bfloat16")
    integers = {path for path, one in instruments.entries(cast).items() if one.dtype != "bfloat16"}
    assert integers == {"seen", "inner/1/rngs/key", "inner/1/rngs/count"}
    assert instruments.run(cast, instruments.inputs.first())[0]["y"].dtype == ml_dtypes.bfloat16


def test_a_pass_without_memory_shows_what_it_makes(instruments: NNX) -> None:
    class Late(nnx.Module):
        def __init__(self) -> None:
            self.weight = nnx.Param(jnp.ones(4))

        def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
            if training:
                self.late = Frozen(x.mean(0))
            return x * self.weight

    made = NNX(Late)
    call = parse_all(["f32[3,4]"]).first()
    outputs, after = made.run(made.abstract(0), call, training=True)
    assert outputs[""].shape == (3, 4) and made.entries(after)["late"].device == "none"
    assert made.entries(made.run(made.abstract(0), call)[1]).keys() == {"weight"}
    module = made.build(0)
    assert made.read(module, "weight").all()
    _, module = made.run(module, call, training=True)
    np.testing.assert_allclose(made.read(module, "late"), call.args[0].mean(0), rtol=1e-6)


def test_another_seed_draws_other_values() -> None:
    for factory in (lambda: Norm(nnx.Rngs(0)), Norm, lambda rngs: Norm(rngs), lambda seed: Norm(nnx.Rngs(seed))):
        made = NNX(factory)
        values = [made.read(made.build(seed), "weight") for seed in (0, 0, 1)]
        assert same_bits(values[0], values[1]) and not same_bits(values[0], values[2])


def test_a_variable_that_takes_the_place_of_another_is_noted() -> None:
    class Twice(nnx.Module):
        def __init__(self) -> None:
            self.a, self.b = Frozen(jnp.zeros(2)), Frozen(jnp.ones(2))
            self.inner = nnx.List([nnx.Dropout(0.5)])
            self.a, self.b = Frozen(jnp.ones(3)), Frozen(jnp.ones(2))

    made = NNX(Twice)
    made.build(0)
    assert [(again.path, again.owner, again.differs) for again in made.replaced()] == [
        ("a", Twice, True),
        ("b", Twice, False),
    ]


def test_literals_are_matched_to_where_they_are_held() -> None:
    class Literal(nnx.Module):
        def __init__(self) -> None:
            self.helper = Helper()
            object.__setattr__(self.helper, "table", np.arange(512, dtype=np.float32))

        def __call__(self, x: jax.Array) -> jax.Array:
            return x + self.helper.table

    made = NNX(Literal)
    module = made.build(0)
    (baked,) = made.literals(module, parse_all(["f32[2,512]"]).first())
    assert (baked.nbytes, baked.form) == (2048, "float32[512]") and baked.name.endswith("__call__")
    assert baked.identity == made.address(module.helper.table)


@pytest.mark.parametrize(
    "factory",
    [
        lambda: nnx.Linear(3, 2, rngs=nnx.Rngs(0)),
        lambda: nnx.Sequential(nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0)), nnx.relu),
        lambda: nnx.Sequential(nnx.Embed(7, 4, rngs=nnx.Rngs(0)), nnx.Linear(4, 2, rngs=nnx.Rngs(0))),
    ],
    ids=["linear", "convolution", "embedding"],
)
def test_inputs_are_inferred_from_layers(factory: Callable[[], nnx.Module]) -> None:
    report = constate.check(factory, laws=["P12"])
    assert str(report.verdicts["P12"]) == "holds", report


class Hostile(nnx.Module):
    """Properties that must not run, a cycle, a generator and a lock; the state itself is fine."""

    asked = 0

    def __init__(self) -> None:
        self.linear = nnx.Linear(4, 4, rngs=nnx.Rngs(0))
        self.numbers, self.lock = iter(range(9)), threading.Lock()
        self.holder: Any = nnx.static(Helper.__new__(Helper))
        self.holder.me = self

    def __getattr__(self, name: str) -> object:
        raise AttributeError(f"asked for {name}")

    @property
    def effect(self) -> int:
        type(self).asked += 1
        raise RuntimeError("asked for")

    def __call__(self, x: jax.Array, **options: bool) -> jax.Array:
        return self.linear(x) if x.sum() > 0 else self.linear(-x)


def test_a_hostile_module_breaks_nothing_and_nothing_of_it_runs() -> None:
    report = constate.check(Hostile, ["f32[2,4]"])
    assert not [finding for finding in report.findings if finding.severity == "fail"], report
    assert str(report.verdicts["P09"]) == "holds" and str(report.verdicts["C06"]) == "untested"
    assert Hostile.asked == 0


def test_seven_billion_parameters_are_audited_without_memory() -> None:
    class Block(nnx.Module):
        def __init__(self, wide: int, rngs: nnx.Rngs) -> None:
            self.up, self.down = nnx.Linear(wide, 4 * wide, rngs=rngs), nnx.Linear(4 * wide, wide, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            return x + self.down(nnx.relu(self.up(x)))

    report = constate.check(lambda rngs: nnx.Sequential(*(Block(5120, rngs) for _ in range(34))), ["f32[2,5120]"])
    verdicts = {law: str(verdict) for law, verdict in report.verdicts.items()}
    assert verdicts["P01"] == verdicts["P11"] == verdicts["P12"] == verdicts["D04"] == "holds", report
    assert verdicts["P09"] == "untested" and "GiB" in report.reason("P09")


def test_every_law_that_is_tried_has_a_fix() -> None:
    from constate.auditing.hazards import HAZARDS

    assert HAZARDS.keys() <= NNX.fixes.keys()


def test_a_class_that_wants_generators_is_built_with_them() -> None:
    class Wants(nnx.Module):
        def __init__(self, *, rngs: nnx.Rngs) -> None:
            self.inner = nnx.Linear(4, 4, rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.inner(x)

    assert required(Wants) == [] and required(nnx.Linear) == ["in_features", "out_features", "rngs"]
    assert constate.check(Wants, ["f32[2,4]"], laws=["P01"]).findings == []
