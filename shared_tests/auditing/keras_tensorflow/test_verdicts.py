"""What is broken and what is not, on Keras layers that lie close to the line between the two."""

from __future__ import annotations

from typing import Any

import keras
import pytest

import constate
from constate.auditing.finding import Finding
from constate.verdicts import Verdict


def found(factory: Any, law: str, *inputs: str) -> tuple[Verdict, list[Finding]]:
    report = constate.check(factory, list(inputs), laws=[law])
    return report.verdicts[law], report.findings


class Plain(keras.layers.Layer):
    """Not registered."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(3, name="dense")

    def build(self, shape: Any) -> None:
        self.dense.build(shape)

    def call(self, x: Any) -> Any:
        return self.dense(x)


@keras.saving.register_keras_serializable(package="test_verdicts")
class Renaming(keras.layers.Layer):
    """Hands its arguments on to a layer within, which so gets a name where it is made again of a configuration."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(3, name=kwargs.get("name"))

    def build(self, shape: Any) -> None:
        self.dense.build(shape)

    def call(self, x: Any) -> Any:
        return self.dense(x)


@keras.saving.register_keras_serializable(package="test_verdicts")
class Building(Plain):
    """Makes an unregistered layer when it is built, of which its configuration does not speak."""

    def build(self, shape: Any) -> None:
        self.within = Plain(name="within")
        self.within.build(shape)
        super().build(shape)

    def call(self, x: Any) -> Any:
        return super().call(x) + self.within(x)


def test_a_class_that_keras_cannot_find_is_a_warning() -> None:
    verdict, (finding,) = found(Plain, "P07", "f32[2,3]")
    assert (verdict, finding.severity.value) == (Verdict.BROKEN, "warn")
    assert "'Plain' is not registered" in finding.message or "Plain is not registered" in finding.message


@pytest.mark.parametrize("factory", [Building, lambda: Renaming(name="outer"), Renaming])
def test_copies_that_hold_what_they_are_copies_of(factory: Any) -> None:
    assert found(factory, "P07", "f32[2,3]") == (Verdict.HOLDS, [])


def test_the_states_of_a_recurrent_layer_are_lost_and_no_cache() -> None:
    def build() -> keras.layers.Layer:
        return keras.layers.GRU(4, stateful=True, name="gru")

    for law in ("P01", "P09"):
        verdict, findings = found(build, law, "f32[2,3,4]")
        assert verdict is Verdict.BROKEN and {finding.entry for finding in findings} == {"states[0]"}
    assert found(build, "M05", "f32[2,3,4]") == (Verdict.UNTESTED, [])


def test_a_kernel_that_is_normalised_in_place_is_one_warning() -> None:
    def build() -> keras.layers.Layer:
        return keras.layers.SpectralNormalization(keras.layers.Dense(3, name="dense"))

    verdict, (finding,) = found(build, "G01", "f32[2,4]")
    assert (verdict, finding.severity.value, finding.entry) == (Verdict.BROKEN, "warn", "dense/kernel")
