"""The random projection is drawn in the constructor and kept as a tensor: a checkpoint does not hold it, and a
restored model projects otherwise."""

import tensorflow as tf

HAZARD: str | None = "P09"
ENTRY: str | None = "projection"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,6]"]


class RandomFeatures(tf.Module):
    """Cosines of random projections, then a dense layer."""

    def __init__(self, features: int = 6, count: int = 16, outputs: int = 4) -> None:
        super().__init__()
        self.projection = tf.random.normal([features, count])
        self.phase = tf.Variable(tf.zeros([count]), name="phase")
        self.kernel = tf.Variable(tf.random.normal([count, outputs]) / count**0.5, name="kernel")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cos(x @ self.projection + self.phase) @ self.kernel


def build() -> tf.Module:
    return RandomFeatures()
