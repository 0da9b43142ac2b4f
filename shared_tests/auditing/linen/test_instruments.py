"""Linen's instruments on modules of every kind."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import linen as nn

import constate
from constate.errors import Refused, UsageError
from constate.instruments.inputs import parse_all
from constate.state import same_bits
from constate_flax.linen import running
from constate_flax.linen.auditing import Linen
from constate_jax.auditing.calls import MODES


class Log:
    """Python state beside a module."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.drawn, self.lock = jnp.ones(2), threading.Lock()


class Block(nn.Module):
    """A statistic and parameters, made within a pass."""

    log: Any
    scale: float = 0.5

    @nn.compact
    def __call__(self, x: jax.Array, training: bool) -> jax.Array:
        weight = self.param("weight", nn.initializers.normal(), (4,))
        stopped = self.param("stopped", nn.initializers.ones, (4,))
        mean = self.variable("batch_stats", "mean", jnp.zeros, (4,))
        if training:
            mean.value = 0.9 * mean.value + 0.1 * x.mean(0)
        y = x * weight + jax.lax.stop_gradient(stopped) - mean.value
        self.log.seen.append(y)
        self.sow("losses", "size", (y**2).sum())
        return nn.Dropout(self.scale)(y, deterministic=not training)


class Norm(nn.Module):
    """Collections of all kinds, and what ``setup`` makes beside them."""

    log: Any = dataclasses.field(default_factory=Log)
    width: int = 4

    def setup(self) -> None:
        self.block = Block(self.log)
        self.count = self.variable("state", "count", lambda: 0)
        self.key = self.variable("state", "key", lambda: self.make_rng("params"))
        self.absent = self.variable("state", "absent", lambda: None)
        self.table = jnp.arange(4.0)
        self.doubled = self.table * 2
        self.fixed = self.variable("constants", "fixed", lambda: jnp.arange(4, dtype=jnp.bfloat16))

    def __call__(self, x: jax.Array, scale: float = 1.0, *, training: bool = False) -> dict[str, Any]:
        if training:
            self.count.value += 1
        y = self.block(x, training) * scale + self.table + self.doubled + self.fixed.value
        return {"y": y, "parts": [y.sum(), None], "name": "y"}


PATHS = {"block/weight", "block/stopped", "block/mean", "count", "key", "fixed"}
TRAINED = {"block/weight", "block/stopped"}


@pytest.fixture
def instruments() -> Linen:
    made = Linen(Norm)
    made.inputs = parse_all(["f32[3,4]"])
    return made


def test_entries_are_all_there_and_say_what_they_are(instruments: Linen) -> None:
    held = instruments.entries(instruments.build(0))
    assert held.keys() == PATHS == instruments.entries(instruments.abstract(0)).keys()
    assert {path for path, one in held.items() if one.trainable} == TRAINED
    assert (held["key"].dtype, held["key"].shape) == ("uint32", (2,))
    assert (held["count"].dtype, held["fixed"].dtype) == ("int32", "bfloat16")
    assert (held["block/weight"].owner, held["block/weight"].name) == (Block, "weight")
    assert (held["fixed"].owner, held["fixed"].name) == (Norm, "fixed")
    assert len({one.identity for one in held.values()}) == len(held)
    assert instruments.optional(instruments.build(0)) == ["absent"]
    assert instruments.holder(instruments.build(0), "absent") is Norm


@pytest.mark.parametrize("path", sorted(PATHS))
def test_read_and_write_are_bit_for_bit(instruments: Linen, path: str) -> None:
    module = instruments.build(0)
    old = instruments.read(module, path)
    new = np.frombuffer(b"\x3c" * old.nbytes, old.dtype).reshape(old.shape)
    written = instruments.write(module, path, new)
    assert same_bits(instruments.read(written, path), new) and same_bits(instruments.read(module, path), old)
    for other in PATHS - {path}:
        assert same_bits(instruments.read(written, other), instruments.read(module, other))


def test_a_collection_of_the_name_of_a_path_changes_nothing() -> None:
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            self.variable("zeta", "same", jnp.zeros, (1,))
            self.variable("alpha", "same", jnp.ones, (1,))
            return x * self.param("same", nn.initializers.constant(2.0), (1,))

    made = Linen(Twice)
    made.inputs = parse_all(["f32[1]"])
    module = made.build(0)
    values = {path: made.read(module, path).item() for path in made.entries(module)}
    assert values == {"same": 2.0, "zeta/same": 0.0, "alpha/same": 1.0}
    assert made.entries(module)["same"].trainable and not made.entries(module)["zeta/same"].trainable
    written = made.write(module, "zeta/same", np.full(1, 5, np.float32))
    assert {p: made.read(written, p).item() for p in values} == {**values, "zeta/same": 5.0}


def test_a_pass_moves_collections_in_training_mode_only(instruments: Linen) -> None:
    module, call = instruments.build(0), parse_all(["f32[3,4]", "scale=2.0"]).first()
    first, after = instruments.run(module, call)
    assert first.keys() == {"y", "parts/0"} and first["y"].shape == (3, 4)
    assert instruments.save(after).keys() == PATHS, "what is sown is no state"
    moved = {p for p, v in instruments.save(after).items() if not same_bits(v, instruments.save(module)[p])}
    assert not moved
    noisy = [instruments.run(module, call, training=True, seed=seed) for seed in (0, 0, 1)]
    assert same_bits(noisy[0][0]["y"], noisy[1][0]["y"]) and not same_bits(noisy[0][0]["y"], noisy[2][0]["y"])
    after = instruments.save(noisy[0][1])
    assert {p for p, v in after.items() if not same_bits(v, instruments.save(module)[p])} == {"block/mean", "count"}


def test_training_moves_parameters_statistics_and_python(instruments: Linen) -> None:
    assert instruments.inputs is not None
    calls, fresh = [instruments.inputs.other(0)] * 2, instruments.save(instruments.build(0))
    for scope in ("trainable", "careless"):
        module = instruments.build(0)
        before = len(module.module.log.seen)
        trained = instruments.train(module, calls, "adamw", scope)  # type: ignore[arg-type]
        moved = {path for path, value in instruments.save(trained).items() if not same_bits(value, fresh[path])}
        assert moved == TRAINED | {"block/mean", "count"}
        kept = trained.module.log.seen
        assert len(kept) == before + 2 and not any(isinstance(item, jax.core.Tracer) for item in kept)
    stepped = instruments.save(instruments.train(instruments.build(0), calls, "sgd"))
    assert same_bits(stepped["block/stopped"], fresh["block/stopped"])


def test_gradients_say_which_parameters_are_reached(instruments: Linen) -> None:
    assert instruments.inputs is not None
    found = instruments.gradients(instruments.build(0), instruments.inputs.first())
    assert {path: gradient is None for path, gradient in found.items()} == {
        "block/weight": False,
        "block/stopped": True,
    }


def test_a_step_is_the_one_that_optax_takes() -> None:
    made = Linen(lambda: nn.Dense(3))
    made.inputs = parse_all(["f32[2,4]"])
    call, module = made.inputs.first(), made.build(0)

    def loss(params: Any) -> jax.Array:
        return (nn.Dense(3).apply({"params": params}, call.args[0]) ** 2).mean()

    expected = module.variables["params"]["kernel"] - 0.01 * jax.grad(loss)(module.variables["params"])["kernel"]
    np.testing.assert_allclose(made.read(made.train(module, [call], "sgd"), "kernel"), expected, rtol=1e-5)


def test_what_is_held_outside(instruments: Linen) -> None:
    module = instruments.build(0)
    arrays = {h.path for h in instruments.holdings(module) if instruments.is_array(h.value)}
    assert {"log.drawn", "table", "doubled"} <= arrays
    assert all(path.startswith(("log.", "table", "doubled")) for path in arrays), "neither entries nor their names"
    numbers = {h.path for h in instruments.holdings(module)}
    assert {"width", "block.scale"} <= numbers
    bare = instruments.abstract(0)
    assert bare.module.log.seen and not [
        h for h in instruments.holdings(bare) if isinstance(h.value, jax.core.Tracer)
    ], "what a traced pass left"
    (found,) = (h for h in instruments.holdings(module) if h.path == "log.drawn")
    found.put(jnp.zeros(2))
    assert not module.module.log.drawn.any(), "put reaches the module itself"


def test_what_submodules_hold_that_are_made_within_a_pass() -> None:
    class Outer(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            return nn.Dense(2)(Block(Log(), name="inside")(x, False))

    made = Linen(Outer)
    made.inputs = parse_all(["f32[3,4]"])
    held = {h.path: h for h in made.holdings(made.build(0))}
    assert held["inside.scale"].value == 0.5 and held["inside.scale"].owner is Block
    assert held["inside.log.drawn"].value.shape == (2,)


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_share_nothing(how: str) -> None:
    made = Linen(lambda: nn.BatchNorm(use_running_average=False))
    made.inputs = parse_all(["f32[3,4]"])
    module = made.build(0)
    copied = made.copy(module, how)
    own, theirs = ({one.identity for one in made.entries(handle).values()} for handle in (module, copied))
    assert len(own) == 4 and not own & theirs
    assert all(same_bits(made.read(copied, path), value) for path, value in made.save(module).items())


def test_save_and_load_are_strict(instruments: Linen) -> None:
    saved = instruments.save(instruments.write(instruments.build(0), "count", np.array(7, np.int32)))
    loaded = instruments.load(instruments.materialise(instruments.abstract(1)), saved)
    assert all(same_bits(value, saved[path]) for path, value in instruments.save(loaded).items())
    with pytest.raises(Refused, match="count"):
        instruments.load(instruments.build(0), {path: value for path, value in saved.items() if path != "count"})
    with pytest.raises(Refused, match="block/mean"):
        instruments.load(instruments.build(0), {**saved, "block/mean": np.zeros(5, np.float32)})


def test_a_move_and_a_cast_take_the_variables_along(instruments: Linen) -> None:
    assert instruments.inputs is not None
    device = instruments.devices()[0]
    moved = instruments.move(instruments.build(0), device)
    assert {one.device for path, one in instruments.entries(moved).items() if path != "count"} == {device}
    assert instruments.run(moved, instruments.inputs.first())[0]["y"].shape == (3, 4)
    cast = instruments.cast(instruments.build(0), "float16")
    assert {path for path, one in instruments.entries(cast).items() if one.dtype != "float16"} == {"count", "key"}
    narrow = Linen(lambda: nn.Dense(2))
    narrow.inputs = parse_all(["f32[2,4]"])
    outputs, _ = narrow.run(narrow.cast(narrow.build(0), "bfloat16"), narrow.inputs.first())
    assert outputs[""].dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize(
    ("factory", "moves"),
    [
        (lambda: nn.BatchNorm(), True),
        (lambda: nn.BatchNorm(use_running_average=False), True),
        (lambda: nn.BatchNorm(use_running_average=True), True),
        (lambda: nn.Dropout(0.5), False),
        (lambda: nn.Dropout(0.5, deterministic=False), False),
    ],
)
def test_the_mode_reaches_a_module_by_its_call_or_by_its_fields(factory: Callable[[], nn.Module], moves: bool) -> None:
    made = Linen(factory)
    made.inputs = parse_all(["f32[8,4]"])
    call, module = made.inputs.first(), made.build(0)
    evaluated, trained = (made.run(module, call, training=training) for training in (False, True))
    assert not same_bits(evaluated[0][""], trained[0][""])
    changed = [p for p, v in made.save(trained[1]).items() if not same_bits(v, made.save(module)[p])]
    assert bool(changed) is moves and all(p in ("mean", "var") for p in changed)


def test_a_pass_in_eval_mode_that_insists_may_move_and_draw() -> None:
    class Insists(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            count = self.variable("cache", "count", jnp.zeros, ())
            count.value += 1
            return x + jax.random.normal(self.make_rng("noise"), x.shape)

    made = Linen(Insists)
    made.inputs = parse_all(["f32[2]"])
    module, call = made.build(0), made.inputs.first()
    start = made.read(module, "count")
    _, after = made.run(module, call)
    assert made.read(after, "count") == start + 1


def test_a_pass_in_eval_mode_that_only_asks_moves_nothing() -> None:
    class Asks(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            count = self.variable("cache", "count", jnp.zeros, ())
            if self.is_mutable_collection("cache"):
                count.value += 1
            return x + self.has_rng("dropout")

    made = Linen(Asks)
    made.inputs = parse_all(["f32[2]"])
    module, call = made.build(0), made.inputs.first()
    evaluated, after = made.run(module, call)
    assert same_bits(made.read(after, "count"), made.read(module, "count"))
    trained, after = made.run(module, call, training=True)
    assert made.read(after, "count") == made.read(module, "count") + 1
    np.testing.assert_allclose(trained[""], evaluated[""] + 1)


def test_literals_are_known_by_their_bits(instruments: Linen) -> None:
    class Literal(nn.Module):
        def setup(self) -> None:
            self.table = np.arange(512, dtype=np.float32)

        def __call__(self, x: jax.Array) -> jax.Array:
            return x + self.table

    made = Linen(Literal)
    made.inputs = parse_all(["f32[2,512]"])
    (baked,) = made.literals(made.build(0), made.inputs.first())
    assert (baked.nbytes, baked.form) == (2048, "float32[512]") and baked.name.endswith("__call__")
    assert baked.value is not None and same_bits(baked.value, np.arange(512, dtype=np.float32))


def test_a_pass_without_memory_shows_what_it_makes() -> None:
    class Late(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
            if training:
                self.variable("batch_stats", "late", jnp.zeros, (4,))
            return nn.Dense(2)(x)

    made = Linen(Late)
    made.inputs = parse_all(["f32[3,4]"])
    outputs, after = made.run(made.abstract(0), made.inputs.first(), training=True)
    assert outputs[""].shape == (3, 2) and made.entries(after)["late"].device == "none"
    assert "late" not in made.entries(made.run(made.abstract(0), made.inputs.first())[1])


def test_a_bound_module_brings_its_state_and_others_need_inputs() -> None:
    bound = nn.Dense(3).bind(nn.Dense(3).init(jax.random.key(0), jnp.ones((1, 4))))
    made = Linen(lambda: bound)
    assert made.entries(made.build(0)).keys() == {"kernel", "bias"}
    with pytest.raises(UsageError, match="inputs"):
        Linen(lambda: nn.Dense(3)).build(0)
    report = constate.check(lambda: nn.Dense(3))
    assert {str(verdict) for verdict in report.verdicts.values()} <= {"untested", "not-applicable"}, report


def test_every_name_of_a_mode_is_known() -> None:
    assert running.MODES.keys() <= MODES.keys()
    for name, told in running.MODES.items():
        assert [MODES[name](training) for training in (True, False)] == [told(True), told(False)]


class Hostile(nn.Module):
    """Properties that must not run, a cycle, a lock, a lambda; the state itself is fine."""

    log: Any = dataclasses.field(default_factory=Log)
    activation: Any = lambda x: x * 2
    asked = 0

    @property
    def effect(self) -> int:
        Hostile.asked += 1
        raise RuntimeError("asked for")

    @nn.compact
    def __call__(self, x: jax.Array, **options: bool) -> Any:
        self.log.me = self
        y = nn.Dense(4)(x)
        return (i for i in [1]), self.activation(y if x.sum() > 0 else -y)


def test_a_hostile_module_breaks_nothing_and_nothing_of_it_runs() -> None:
    report = constate.check(Hostile, ["f32[2,4]"])
    assert not [finding for finding in report.findings if finding.severity == "fail"], report
    assert str(report.verdicts["P01"]) == "holds" and str(report.verdicts["C06"]) == "untested"
    assert Hostile.asked == 0


def test_seven_billion_parameters_are_audited_without_memory() -> None:
    class Wide(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            for _ in range(34):
                x = x + nn.Dense(5120)(nn.relu(nn.Dense(20480)(x)))
            return x

    report = constate.check(Wide, ["f32[2,5120]"])
    verdicts = {law: str(verdict) for law, verdict in report.verdicts.items()}
    assert verdicts["P01"] == verdicts["P11"] == verdicts["P12"] == verdicts["D04"] == "holds", report
    assert verdicts["P09"] == "untested" and "GiB" in report.reason("P09")


def test_every_law_that_is_tried_has_a_fix() -> None:
    from constate.auditing.hazards import HAZARDS

    assert HAZARDS.keys() <= Linen.fixes.keys()
