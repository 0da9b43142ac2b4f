"""A running mean is a ``tf.Variable`` without ``trainable=False``: training passes move it by hand, while
``trainable_variables`` hands it to the optimizer as well."""

import tensorflow as tf

HAZARD: str | None = "G01"
ENTRY: str | None = "mean"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class CentredDense(tf.Module):
    """A dense layer on inputs around their running mean."""

    def __init__(self, features: int = 6, outputs: int = 4, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.mean = tf.Variable(tf.zeros([features]), name="mean")
        self.kernel = tf.Variable(tf.random.normal([features, outputs]), name="kernel")

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training:
            self.mean.assign_add(self.momentum * (tf.reduce_mean(x, axis=0) - self.mean))
        return (x - tf.stop_gradient(self.mean)) @ self.kernel


def build() -> tf.Module:
    return CentredDense()
