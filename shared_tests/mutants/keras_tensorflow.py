"""``FrozenLinear`` with one defect each, in Keras."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

TABLE = np.ones(512, np.float32)
HELPER = SimpleNamespace(table=ops.zeros(3))


class _Layer(keras.Layer):
    trained = False

    def __init__(self, in_features: int, out_features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_features = in_features
        self.out_features = out_features

    def build(self, input_shape: Any) -> None:
        shape = (self.in_features, self.out_features)
        self.kernel = self.add_weight(name="kernel", shape=shape, trainable=self.trained)
        self.bias = self.add_weight(name="bias", shape=(self.out_features,), trainable=self.trained)

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.kernel) + self.bias

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "in_features": self.in_features, "out_features": self.out_features}


@keras.saving.register_keras_serializable(package="mutants")
class TrainedLinear(_Layer):
    """The constants are parameters."""

    trained = True


@keras.saving.register_keras_serializable(package="mutants")
class CapturedLinear(_Layer):
    """A table is a global of the file."""

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.kernel) + self.bias * TABLE


@keras.saving.register_keras_serializable(package="mutants")
class StrayLinear(_Layer):
    """A helper object keeps a tensor."""

    def __init__(self, in_features: int, out_features: int, **kwargs: Any) -> None:
        super().__init__(in_features, out_features, **kwargs)
        self.helper = HELPER


BATCHES: list[Any] = []


@keras.saving.register_keras_serializable(package="mutants")
class HoardingLinear(_Layer):
    """A list keeps every batch."""

    def call(self, x: Any) -> Any:
        BATCHES.append(x)
        return super().call(x)


@keras.saving.register_keras_serializable(package="mutants")
class GraphLinear(_Layer):
    """A Python number that changes makes a graph of its own for every step."""

    steps = 0
    program = staticmethod(tf.function(lambda x, step: x * (1.0 + 0.0 * step)))

    def call(self, x: Any) -> Any:
        type(self).steps += 1
        return self.program(super().call(x), self.steps)
