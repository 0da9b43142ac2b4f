"""Keras' instruments, on TensorFlow: state, passes, files, places."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import constate
from auditing.keras_tensorflow.layers import Norm, instruments_of
from constate.instruments.inputs import parse_all
from constate.state import same_bits
from constate_keras.auditing import INSTRUMENTS
from constate_keras.auditing.tensorflow import CopiedInSilence


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
    assert arrays["window"].source.startswith("shared_tests/auditing/keras_tensorflow/layers.py:")
    assert module.reads == reads > 0


def test_the_states_of_a_recurrent_layer_of_keras_are_outside_of_its_state() -> None:
    made = instruments_of(lambda: keras.layers.GRU(4, stateful=True, name="gru"), "f32[2,3,4]")
    module = made.build(0)
    found = [holding.path for holding in made.holdings(module) if made.is_variable(holding.value)]
    assert found == ["states[0]"] and not any("state" in path for path in made.listing(module))


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
