"""The normalised prototypes are kept from the first inference on: after a restore a model that has been used goes
on answering with the old ones."""

import tensorflow as tf

HAZARD: str | None = "M05"
ENTRY: str | None = "_unit"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class CosineClassifier(tf.Module):
    """Classes by the cosine to prototypes, which are normalised once for inference."""

    def __init__(self, dim: int = 8, classes: int = 5) -> None:
        super().__init__()
        self.prototypes = tf.Variable(tf.random.normal([classes, dim]), name="prototypes")
        self._unit: tf.Tensor | None = None

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training or not tf.executing_eagerly():
            self._unit = None
            unit = tf.math.l2_normalize(self.prototypes, axis=-1)
        else:
            if self._unit is None:
                self._unit = tf.math.l2_normalize(self.prototypes, axis=-1)
            unit = self._unit
        return tf.math.l2_normalize(x, axis=-1) @ tf.transpose(unit)


def build() -> tf.Module:
    return CosineClassifier()
