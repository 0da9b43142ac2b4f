"""A layer with state of every kind, and instruments for layers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from constate.instruments.inputs import parse_all
from constate_keras.auditing import INSTRUMENTS


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
