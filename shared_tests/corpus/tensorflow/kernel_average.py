"""The averaged kernel is made by the first training pass: a checkpoint of a trained model has a key that a model
for inference does not have."""

import tensorflow as tf

HAZARD: str | None = "P12"
ENTRY: str | None = "average"
ALSO: frozenset[str] = frozenset({"P13"})
INPUTS: list[str] = ["f32[4,6]"]


class AveragedDense(tf.Module):
    """A dense layer that also keeps a moving average of its kernel, for ``averaged``."""

    def __init__(self, features: int = 6, outputs: int = 4, decay: float = 0.9) -> None:
        super().__init__()
        self.decay = decay
        self.kernel = tf.Variable(tf.random.normal([features, outputs]), name="kernel")
        self.average: tf.Variable | None = None

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training:
            if self.average is None:
                self.average = tf.Variable(self.kernel.read_value(), trainable=False, name="average")
            self.average.assign(self.decay * self.average + (1 - self.decay) * self.kernel)
        return x @ self.kernel

    def averaged(self, x: tf.Tensor) -> tf.Tensor:
        return x @ (self.kernel if self.average is None else self.average)


def build() -> tf.Module:
    return AveragedDense()
