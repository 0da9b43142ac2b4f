"""Running mean, variance and count are variables with ``trainable=False`` that training passes assign: the textbook
case."""

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class RunningNorm(tf.Module):
    """Standardises by running statistics, then scales."""

    def __init__(self, features: int = 6, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.gain = tf.Variable(tf.ones([features]), name="gain")
        self.mean = tf.Variable(tf.zeros([features]), trainable=False, name="mean")
        self.variance = tf.Variable(tf.ones([features]), trainable=False, name="variance")
        self.count = tf.Variable(0, trainable=False, dtype=tf.int64, name="count")

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training:
            mean, variance = tf.nn.moments(x, axes=[0])
            self.mean.assign_add(self.momentum * (mean - self.mean))
            self.variance.assign_add(self.momentum * (variance - self.variance))
            self.count.assign_add(1)
        return self.gain * (x - self.mean) * tf.math.rsqrt(self.variance + 1e-5)


def build() -> tf.Module:
    return RunningNorm()
