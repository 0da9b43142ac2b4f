"""Keras' instruments, on TensorFlow, on layers and models of every kind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import constate
from constate.errors import Unsupported, UsageError
from constate.instruments.inputs import Drawn, parse_all
from constate.state import same_bits
from constate_keras.auditing import INSTRUMENTS
from constate_keras.auditing.tensorflow import CopiedInSilence


class Helper:
    """What Keras does not look into."""

    def __init__(self, value: Any) -> None:
        self.value = value


@keras.saving.register_keras_serializable(package="test_instruments")
class Norm(keras.layers.Layer):
    """A statistic, weights of every kind, a metric, a generator, things outside of the state."""

    def __init__(self, units: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.inner = [keras.layers.Dense(units), {"deep": keras.layers.Dense(units, name="deep")}]
        self.dropout = keras.layers.Dropout(0.5)
        self.lost = {keras.layers.Dense(units, name="lost")}
        self.seen = keras.metrics.Mean(name="seen")
        self.window = ops.ones((4,))
        self.helper = Helper(keras.Variable(1.0))
        self.plain = tf.Variable(1.0)
        self.module = tf.Module()
        self.module.weight = tf.Variable(1.0)
        self.lock = threading.Lock()
        self.reads = 0

    def build(self, input_shape: Any) -> None:
        self.mean = self.add_weight(name="average", shape=(4,), initializer="zeros", trainable=False)
        self.fixed = self.add_weight(name="fixed", shape=(4,), initializer="ones")
        self.fixed.trainable = False
        self.alias = [self.fixed, self.fixed._value]
        for layer in (self.inner[0], self.inner[1]["deep"], *self.lost, self.dropout):
            layer.build(input_shape)

    @property
    def counted(self) -> None:
        self.reads += 1
        raise RuntimeError("not trained yet")

    def call(self, x: Any, factor: float = 1.0, training: bool = False) -> dict[str, Any]:
        if training:
            self.mean.assign(self.mean + 0.1 * (ops.mean(x, 0) - self.mean))
            self.seen.update_state(x)
        y = self.inner[1]["deep"](self.inner[0](x - self.mean))
        (lost,) = self.lost
        return {"y": self.dropout(y, training=training) * factor, "parts": [lost(x), None], "name": "y"}


def instruments_of(factory: Callable[[], Any], *inputs: str) -> Any:
    made = INSTRUMENTS(factory)
    made.inputs = parse_all(list(inputs)) if inputs else None
    return made


@pytest.fixture
def instruments() -> Any:
    return instruments_of(Norm, "f32[3,4]")


def test_entries_are_all_there_and_say_what_they_are(instruments: Any) -> None:
    held = instruments.entries(instruments.build(0))
    assert held.keys() == {
        *("average", "fixed", "dense/kernel", "dense/bias", "deep/kernel", "deep/bias", "lost/kernel", "lost/bias"),
        *("seen/total", "seen/count", "dropout/seed_generator_state"),
    }
    assert held["dense/kernel"].trainable and not held["average"].trainable and not held["fixed"].trainable
    unsaved = {"lost/kernel", "lost/bias", "seen/total", "seen/count", "dropout/seed_generator_state"}
    assert {path for path, one in held.items() if not one.persistent} == unsaved
    assert (held["average"].owner, held["average"].name) == (Norm, "mean")
    assert (held["deep/kernel"].owner, held["deep/kernel"].name) == (Norm, "inner"), "where its author made it"
    assert instruments.listing(instruments.build(1)) == [path for path in held if path not in unsaved]


def test_what_lists_leaves_the_layer_as_it_was(instruments: Any) -> None:
    module = instruments.build(0)
    before = {path: instruments.value(place.variable) for path, place in instruments._places(module).items()}
    assert instruments.listing(module)
    for path, value in before.items():
        assert same_bits(instruments.read(module, path), value), path


def test_read_and_write_are_bit_for_bit(instruments: Any) -> None:
    module = instruments.build(0)
    value = np.frombuffer(b"\xa5" * 16, np.float32)
    assert same_bits(instruments.read(instruments.write(module, "average", value), "average"), value)


def test_what_is_held_outside_is_found_and_no_property_is_run(instruments: Any) -> None:
    module = instruments.build(0)
    instruments.entries(module)  # tries what Keras saves, which itself reads every property
    reads = module.reads
    found = instruments.holdings(module)
    arrays = {h.path: h for h in found if instruments.is_array(h.value)}
    assert arrays.keys() == {"window", "helper.value", "plain", "module.weight"}
    assert {path for path, held in arrays.items() if not instruments.is_variable(held.value)} == {"window"}
    assert arrays["window"].source.startswith("shared_tests/auditing/keras_tensorflow/test_instruments.py:")
    assert module.reads == reads > 0


def test_a_pass_gives_every_array_by_its_path(instruments: Any) -> None:
    module = instruments.build(0)
    outputs, _ = instruments.run(module, parse_all(["f32[3,4]", "factor=2.0"]).first())
    assert outputs.keys() == {"y", "parts/0"} and outputs["y"].shape == (3, 4)
    assert not instruments.read(module, "average").any(), "in eval mode"


def test_a_pass_draws_what_its_seed_says(instruments: Any) -> None:
    call = parse_all(["f32[3,4]"]).first()
    dropped = [
        instruments.run(instruments.build(seed), call, training=True, seed=drawn)[0]["y"] == 0
        for seed, drawn in ((0, 0), (1, 0), (0, 1))
    ]
    assert (dropped[0] == dropped[1]).all() and (dropped[0] != dropped[2]).any()


def test_training_moves_what_is_trained_and_the_same_seed_moves_it_alike(instruments: Any) -> None:
    calls = [instruments.inputs.other(0)] * 2
    for optimizer in ("sgd", "adamw"):
        first, second = (instruments.train(instruments.build(0), calls, optimizer) for _ in range(2))
        fresh = instruments.build(0)
        still = {
            path
            for path in instruments.entries(fresh)
            if same_bits(instruments.read(first, path), instruments.read(fresh, path))
        }
        assert still == {"fixed"}
        assert same_bits(instruments.read(first, "deep/kernel"), instruments.read(second, "deep/kernel"))


def test_gradients_say_where_none_arrives(instruments: Any) -> None:
    class Unused(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.used = self.add_weight(name="used", shape=(4,))
            self.unused = self.add_weight(name="unused", shape=(4,))

        def call(self, x: Any) -> Any:
            return x * self.used + ops.stop_gradient(ops.convert_to_tensor(self.unused))

    made = instruments_of(Unused, "f32[3,4]")
    found = made.gradients(made.build(0), made.inputs.first())
    assert found["unused"] is None and found["used"] is not None and found["used"].any()


def test_another_seed_draws_other_values(instruments: Any) -> None:
    values = [instruments.read(instruments.build(seed), "dense/kernel") for seed in (0, 0, 1)]
    assert same_bits(values[0], values[1]) and not same_bits(values[0], values[2])


def test_what_is_saved_is_loaded_and_nothing_else(instruments: Any) -> None:
    first, second = instruments.build(0), instruments.build(1)
    loaded = instruments.load(second, instruments.save(first))
    assert same_bits(instruments.read(loaded, "deep/kernel"), instruments.read(first, "deep/kernel"))
    assert not same_bits(instruments.read(loaded, "lost/kernel"), instruments.read(first, "lost/kernel"))
    with pytest.raises(ValueError, match="could not be loaded"):
        instruments.load(instruments_of(lambda: Norm(units=5), "f32[3,4]").build(0), instruments.save(first))


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "from_config"])
def test_copies_have_the_values_and_share_none(instruments: Any, how: str) -> None:
    module = instruments.train(instruments.build(0), [instruments.inputs.first()], "sgd")
    copied = instruments.copy(module, how)
    entries = instruments.entries(module)
    for path in ("average", "deep/kernel"):
        assert same_bits(instruments.read(copied, path), instruments.read(module, path))
        assert entries[path].identity != instruments.entries(copied)[path].identity


def test_a_layer_of_arrays_is_not_copied_and_the_argument_to_blame_is_named() -> None:
    class Standardised(keras.layers.Layer):
        def __init__(self, epsilon: float, mean: np.ndarray, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.epsilon, self.mean = epsilon, mean

        def call(self, x: Any) -> Any:
            return x - self.mean

    made = instruments_of(
        lambda: keras.Sequential([keras.Input((4,)), Standardised(1e-3, np.ones(4), name="standardised")]), "f32[2,4]"
    )
    module = made.build(0)
    assert made.hindrance(module, "pickle") == "standardised.mean"
    with pytest.raises(NotImplementedError):
        made.copy(module, "deepcopy")
    with pytest.raises(Unsupported):
        made.copy(module, "from_config")


def test_a_layer_that_only_a_call_builds_is_named() -> None:
    class Half(keras.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense = keras.layers.Dense(2, name="dense")

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=())

        def call(self, x: Any) -> Any:
            return self.dense(x * self.scale)

    made = instruments_of(Half, "f32[2,4]")
    module = made.build(0)
    assert "dense/kernel" in made.entries(module), "the layer is run where nothing else builds what is in it"
    assert made.hindrance(module, "deepcopy") == "dense"
    with pytest.raises(ValueError, match="never built"):
        made.copy(module, "deepcopy")


def test_a_build_that_fails_leaves_nothing_to_the_next() -> None:
    class Unbuildable(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = keras.layers.Dense(4)
            self.second = keras.layers.Dense(4, kernel_initializer=refuse)

        def call(self, x: Any) -> Any:
            return self.second(self.first(x))

    def refuse(shape: Any, dtype: Any = None) -> Any:
        if tf.executing_eagerly():
            raise RuntimeError("no such type")
        return ops.zeros(shape, dtype)

    with pytest.raises(Exception, match=r"no such type|_value|initial"):
        instruments_of(Unbuildable, "f32[2,4]").build(0)
    instruments_of(Norm, "f32[3,4]").build(0)
    assert instruments_of(lambda: keras.Sequential([keras.layers.Dense(2)]), "f32[3,4]").build(0).built


def test_moves_casts_and_freezing(instruments: Any) -> None:
    fresh = instruments.train(instruments.build(1), [instruments.inputs.first()], "sgd")
    moved = instruments.move(fresh, "CPU:1")
    assert instruments.devices() == ("CPU:1",)
    assert {held.device for held in instruments.entries(moved).values()} == {"CPU:1"}
    assert same_bits(instruments.read(moved, "deep/kernel"), instruments.read(fresh, "deep/kernel"))
    cast = instruments.cast(fresh, "float64")
    assert instruments.entries(cast)["deep/kernel"].dtype == "float64"
    assert instruments.entries(cast)["dropout/seed_generator_state"].dtype == "int64"
    assert keras.config.dtype_policy().name == "float32"
    assert not any(held.trainable for held in instruments.entries(instruments.freeze(fresh, True)).values())
    assert instruments.entries(instruments.freeze(fresh, False))["fixed"].trainable
    assert instruments.born_frozen(fresh) == {"average"}


def test_an_array_that_a_move_leaves_behind_makes_a_pass_fail(instruments: Any) -> None:
    class Shifted(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.shift = keras.layers.Dense(4), ops.ones((4,))

        def call(self, x: Any) -> Any:
            return self.dense(x) + self.shift

    made = instruments_of(Shifted, "f32[3,4]")
    call = made.inputs.first()
    moved = made.move(made.build(0), "CPU:1")
    made.run(moved, call)
    moved.shift = made.build(0).shift
    with pytest.raises(CopiedInSilence):
        made.run(moved, call)
    moved.shift = made.moved(moved.shift, "CPU:1")
    made.run(moved, call)


def test_literals_are_captured_tensors_and_constants() -> None:
    class Baked(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.tensor, self.array = ops.arange(400.0), np.arange(500, dtype=np.float32)

        def call(self, x: Any) -> Any:
            return ops.sum(x) * self.tensor + ops.convert_to_tensor(self.array[:400])

    made = instruments_of(Baked, "f32[2]")
    module = made.build(0)
    found = [baked for baked in made.literals(module, made.inputs.first()) if baked.nbytes > 1024]
    (captured,) = (baked for baked in found if baked.identity == made.address(module.tensor))
    (constant,) = (baked for baked in found if baked.identity == 0)
    assert captured.value[3] == 3 and constant.value[399] == 399 and constant.form == "float32[400]"


def test_a_name_that_is_assigned_twice_is_noted() -> None:
    class Twice(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
            self.scale = self.add_weight(name="other", shape=(), initializer="zeros")

        def call(self, x: Any) -> Any:
            return x * self.scale

    made = instruments_of(Twice, "f32[2]")
    made.build(0)
    assert [(again.path, again.name, again.differs) for again in made.replaced()] == [("other", "scale", True)]


def test_a_layer_is_built_and_not_run() -> None:
    class Counted(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=())

        def call(self, x: Any) -> Any:
            self.calls += 1
            return x * self.scale

    made = instruments_of(Counted, "f32[2]")
    module = made.build(0)
    assert made.entries(module).keys() == {"scale"} and module.calls == 0
    with pytest.raises(UsageError, match="inputs"):
        instruments_of(Counted).build(0)


def test_inputs_are_inferred_from_a_model() -> None:
    tokens, scale = keras.Input((None, 5), name="tokens"), keras.Input((3,), dtype="int32", name="scale")
    models = {
        "single": keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)]),
        "several": keras.Model([tokens, scale], keras.layers.Dense(2)(tokens)),
        "named": keras.Model({"tokens": tokens, "scale": scale}, keras.layers.Dense(2)(tokens)),
        "subclassed": Norm(),
    }
    models["subclassed"](np.zeros((3, 4), np.float32))
    drawn = {"tokens": Drawn("float32", (2, 8, 5)), "scale": Drawn("int32", (2, 3))}
    expected: dict[str, tuple[Any, ...]] = {
        "single": (Drawn("float32", (2, 6)),),
        "several": (list(drawn.values()),),
        "named": (drawn,),
        "subclassed": (Drawn("float32", (3, 4)),),
    }
    for name, model in models.items():
        inferred = instruments_of(lambda model=model: model).infer_inputs(model)
        assert inferred is not None and inferred.form.args == expected[name], name


def test_a_clean_layer_with_everything_has_no_failure() -> None:
    def build() -> Any:
        return keras.Sequential(
            [
                *(keras.Input((4,)), keras.layers.Dense(4), keras.layers.BatchNormalization()),
                *(keras.layers.Dropout(0.5), keras.layers.Dense(2)),
            ]
        )

    report = constate.check(build)
    assert not list(report.failures()) and report.counts[2] == 0, str(report)


def test_fixes_are_there_for_every_law_that_can_be_broken() -> None:
    from constate.auditing.hazards import HAZARDS

    assert HAZARDS.keys() - INSTRUMENTS.fixes.keys() == {"P11"}, "Keras has no build without memory"
