"""The normalised prototypes are kept from the first inference on: after ``load_weights`` a model that has been used
goes on answering with the old ones."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

HAZARD: str | None = "M05"
ENTRY: str | None = "_unit"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


@keras.saving.register_keras_serializable(package="corpus")
class CosineClassifier(keras.layers.Layer):
    """Classes by the cosine to prototypes, which are normalised once for inference."""

    def __init__(self, classes: int = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes
        self._unit: Any = None

    def build(self, input_shape: Any) -> None:
        self.prototypes = self.add_weight(name="prototypes", shape=(self.classes, input_shape[-1]))

    def call(self, x: Any, training: bool = False) -> Any:
        if training or not tf.executing_eagerly():
            self._unit = None
            unit = ops.normalize(self.prototypes, axis=-1)
        else:
            if self._unit is None:
                self._unit = ops.normalize(self.prototypes, axis=-1)
            unit = self._unit
        return ops.matmul(ops.normalize(x, axis=-1), ops.transpose(unit))


def build() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), CosineClassifier()])
