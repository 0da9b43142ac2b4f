"""TensorFlow's instruments on modules of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import constate
from constate.errors import Unsupported
from constate.instruments.inputs import parse_all
from constate.state import same_bits
from constate_tensorflow.auditing import TensorFlow
from constate_tensorflow.auditing.passing import CopiedInSilence


class Dense(tf.Module):
    """A dense layer."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.normal([features, outputs]))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.kernel


@dataclass
class Helper:
    """What TensorFlow does not look into."""

    value: Any


class Norm(tf.Module):
    """A statistic, a variable that is not followed, variables in containers, things outside of the state."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = tf.Variable(tf.ones([4]))
        self.mean = tf.Variable(tf.zeros([4]), trainable=False)
        self.table = self._no_dependency(tf.Variable(tf.range(4.0), trainable=False))
        self.layers = [Dense(4, 4), (Dense(4, 4),)]
        self.by_name = {"count": tf.Variable(0, dtype=tf.int64, trainable=False)}
        self.words = tf.Variable(["a", "bcd"], trainable=False)
        self.alias = [self.scale]
        self.window = tf.ones([4])
        self.helper = Helper(tf.Variable(1.0))
        self.parent = [self]
        self.numbered = {1: tf.Variable(2.0)}
        self.ragged = tf.ragged.constant([[1.0], [2.0, 3.0]])

    @property
    def annealed(self) -> tf.Tensor:
        return self.mean.assign_add(tf.ones([4]))

    @property
    def missing(self) -> None:
        raise RuntimeError("not trained yet")

    def __call__(self, x: tf.Tensor, factor: float = 1.0, training: bool = False) -> dict[str, Any]:
        if training:
            self.mean.assign_add(0.1 * (tf.reduce_mean(x, 0) - self.mean))
        y = self.layers[0](x - self.mean) * self.scale * factor
        return {"y": y, "parts": (self.ragged, None, self.words), "name": "y"}


@pytest.fixture
def instruments() -> TensorFlow:
    made = TensorFlow(Norm)
    made.inputs = parse_all(["f32[3,4]"])
    return made


def test_entries_are_what_a_checkpoint_follows_and_say_what_they_are(instruments: TensorFlow) -> None:
    held = instruments.entries(instruments.build(0))
    assert held.keys() == {
        *("scale", "mean", "table", "by_name/count", "words"),
        *("alias/0", "layers/0/kernel", "layers/1/0/kernel"),
    }
    assert held["scale"].trainable and not held["mean"].trainable
    assert held["mean"].persistent and not held["table"].persistent
    assert held["by_name/count"].dtype == "int64" and held["words"].dtype == "|S3" and held["words"].nbytes == 6
    assert held["scale"].identity == held["alias/0"].identity != held["mean"].identity
    assert (held["by_name/count"].owner, held["by_name/count"].name) == (Norm, "by_name")
    assert (held["layers/1/0/kernel"].owner, held["layers/1/0/kernel"].name) == (Dense, "kernel")


def test_the_listing_names_each_variable_once_and_what_else_is_saved() -> None:
    class Looked(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = tf.Variable(1.0)
            self.alias = [self.scale]
            self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)

    instruments = TensorFlow(Looked)
    assert instruments.listing(instruments.build(0)) == ["scale", "table"]


@pytest.mark.parametrize(("path", "value"), [("mean", np.frombuffer(b"\xa5" * 16, np.float32)), ("words", ["z", "yy"])])
def test_read_and_write_are_bit_for_bit(instruments: TensorFlow, path: str, value: Any) -> None:
    module = instruments.build(0)
    array = np.array(value, np.bytes_) if path == "words" else value
    assert same_bits(instruments.read(instruments.write(module, path, array), path), array)


def test_what_is_held_outside_is_found_and_no_property_is_run(instruments: TensorFlow) -> None:
    module = instruments.build(0)
    found = instruments.holdings(module)
    arrays = {h.path: h for h in found if instruments.is_array(h.value)}
    components = {path for path in arrays if path.startswith("ragged.")}
    assert arrays.keys() - components == {"window", "helper.value", "numbered[1]"} and len(components) == 2
    variables = {path for path, held in arrays.items() if instruments.is_variable(held.value)}
    assert variables == {"helper.value", "numbered[1]"}
    assert arrays["window"].source.startswith("shared_tests/auditing/tensorflow/test_instruments.py:")
    assert {h.path for h in found if isinstance(h.value, (list, dict))} >= {"layers", "by_name", "numbered"}
    assert not instruments.read(module, "mean").any()


def test_closures_of_compiled_methods_are_walked() -> None:
    hidden = tf.Variable(tf.ones([4]))

    class Compiled(tf.Module):
        @tf.function
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x * hidden

    instruments = TensorFlow(Compiled)
    found = [h.path for h in instruments.holdings(instruments.build(0)) if instruments.is_array(h.value)]
    assert found == ["__call__.<closure>.hidden"]


def test_a_pass_gives_every_array_by_its_path(instruments: TensorFlow) -> None:
    module = instruments.build(0)
    outputs, _ = instruments.run(module, parse_all(["f32[3,4]", "factor=2.0"]).first())
    assert outputs.keys() == {"y", "parts/0/0", "parts/0/1", "parts/2"} and outputs["y"].shape == (3, 4)
    assert outputs["parts/2"].tolist() == [b"a", b"bcd"]
    assert not instruments.read(module, "mean").any(), "in eval mode"
    instruments.run(module, parse_all(["f32[3,4]"]).first(), training=True)
    assert instruments.read(module, "mean").all(), "in training mode"


def test_inputs_take_the_float_type_of_the_module() -> None:
    class Double(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = tf.Variable(tf.ones([4, 2], tf.float64))

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x @ self.kernel

    instruments = TensorFlow(Double)
    outputs, _ = instruments.run(instruments.build(0), parse_all(["f32[3,4]"]).first())
    assert outputs[""].dtype == np.float64


def test_training_moves_what_is_trained_and_the_same_seed_moves_it_alike(instruments: TensorFlow) -> None:
    assert instruments.inputs is not None
    calls = [instruments.inputs.other(0)] * 2
    for optimizer in ("sgd", "adamw"):
        first, second = (instruments.train(instruments.build(0), calls, optimizer) for _ in range(2))
        fresh = instruments.build(0)
        moved = {
            path
            for path in instruments.entries(fresh)
            if not same_bits(instruments.read(first, path), instruments.read(fresh, path))
        }
        assert moved == {"scale", "alias/0", "mean", "layers/0/kernel"}
        assert same_bits(instruments.read(first, "layers/0/kernel"), instruments.read(second, "layers/0/kernel"))


def test_gradients_say_where_none_arrives(instruments: TensorFlow) -> None:
    assert instruments.inputs is not None
    found = instruments.gradients(instruments.build(0), instruments.inputs.first())
    assert found["layers/1/0/kernel"] is None and "mean" not in found
    assert found["layers/0/kernel"] is not None and found["layers/0/kernel"].any()


def test_another_seed_draws_other_values(instruments: TensorFlow) -> None:
    values = [instruments.read(instruments.build(seed), "layers/0/kernel") for seed in (0, 0, 1)]
    assert same_bits(values[0], values[1]) and not same_bits(values[0], values[2])


def test_what_is_saved_is_loaded_and_nothing_else() -> None:
    class Plain(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = tf.Variable(tf.random.normal([4]))
            self.table = self._no_dependency(tf.Variable(tf.random.normal([4])))

    instruments = TensorFlow(Plain)
    first, second = instruments.build(0), instruments.build(1)
    loaded = instruments.load(second, instruments.save(first))
    assert same_bits(instruments.read(loaded, "kernel"), instruments.read(first, "kernel"))
    assert not same_bits(instruments.read(loaded, "table"), instruments.read(first, "table"))
    larger = TensorFlow(lambda: tf.Module()).build(0)
    larger.other = tf.Variable(1.0)
    with pytest.raises(AssertionError, match="not bound to checkpointed values"):
        instruments.load(larger, instruments.save(first))


def test_a_move_leaves_nothing_but_what_the_constructor_does_not_make() -> None:
    outside = tf.Variable(tf.ones([4]))

    class Shifted(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = tf.Variable(tf.random.normal([4]))
            self.table = self._no_dependency(tf.Variable(tf.random.normal([4])))
            self.shift = tf.constant(outside.read_value())

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x * self.kernel + self.shift

    instruments = TensorFlow(Shifted)
    call = parse_all(["f32[3,4]"]).first()
    assert instruments.devices() == ("CPU:1",)
    fresh = instruments.build(1)
    moved = instruments.move(fresh, "CPU:1")
    assert {held.device for held in instruments.entries(moved).values()} == {"CPU:1"}
    for path in ("kernel", "table"):
        assert same_bits(instruments.read(moved, path), instruments.read(fresh, path))
    instruments.run(moved, call)
    moved.shift = fresh.shift
    with pytest.raises(CopiedInSilence):
        instruments.run(moved, call)
    moved.shift = instruments.moved(fresh.shift, "CPU:1")
    instruments.run(moved, call)


def test_literals_are_captured_tensors_and_constants() -> None:
    class Baked(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = tf.Variable(tf.ones([400]))
            self.tensor = tf.range(400.0)
            self.array = np.arange(500, dtype=np.float32)

        @tf.function
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(x) * self.kernel * self.tensor + self.array[:400]

    instruments = TensorFlow(Baked)
    module = instruments.build(0)
    found = [b for b in instruments.literals(module, parse_all(["f32[2]"]).first()) if b.nbytes > 1024]
    (captured,) = (b for b in found if b.identity == instruments.address(module.tensor))
    (constant,) = (b for b in found if b.identity == 0)
    assert captured.form == "float32[400]" and captured.value is not None and captured.value[3] == 3
    assert constant.nbytes == 1600 and constant.value is not None and constant.value[399] == 399


def test_a_name_that_is_assigned_twice_is_noted() -> None:
    class Twice(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = tf.Variable(1.0)
            self.a = tf.Variable(2.0)
            self.b = tf.Variable(1.0)
            self.b = tf.Variable(1.0)
            self.c = None
            self.c = tf.Variable(1.0)

    instruments = TensorFlow(Twice)
    instruments.build(0)
    assert {again.path: again.differs for again in instruments.replaced()} == {"a": True, "b": False}


def test_variables_that_the_first_call_makes_are_there_from_the_start() -> None:
    class Flexible(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.is_built = False

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            if not self.is_built:
                self.kernel = tf.Variable(tf.random.normal([x.shape[-1], 2]))
                self.is_built = True
            return x @ self.kernel

    report = constate.check(Flexible, ["f32[3,4]"])
    assert not list(report.failures()) and report.verdicts["P12"] == "holds"


def test_verbs_that_a_module_does_not_have(instruments: TensorFlow) -> None:
    module = instruments.build(0)
    for verb in (lambda: instruments.cast(module, "bfloat16"), lambda: instruments.freeze(module, True)):
        with pytest.raises(Unsupported):
            verb()


def test_fixes_are_there_for_every_law_that_can_be_broken() -> None:
    from constate.auditing.hazards import HAZARDS

    not_applicable = {"P11", "D04", "D07", "G07"}  # no build without memory, no cast, no switch to freeze by
    assert HAZARDS.keys() - TensorFlow.fixes.keys() == not_applicable
