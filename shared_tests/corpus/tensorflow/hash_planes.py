"""The hyperplanes of a hash are trainable, with a gradient through ``tf.sign`` that is zero and not ``None``: AdamW
decays them and their offsets at every step."""

import tensorflow as tf

HAZARD: str | None = "G03"
ENTRY: str | None = "planes"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class HashedFeatures(tf.Module):
    """On which side of random hyperplanes an input lies, then a dense layer."""

    def __init__(self, features: int = 6, hashes: int = 12, outputs: int = 4) -> None:
        super().__init__()
        self.planes = tf.Variable(tf.random.normal([features, hashes]), name="planes")
        self.offsets = tf.Variable(tf.random.normal([hashes]), name="offsets")
        self.kernel = tf.Variable(tf.random.normal([hashes, outputs]) / hashes**0.5, name="kernel")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.sign(x @ self.planes - self.offsets) @ self.kernel


def build() -> tf.Module:
    return HashedFeatures()
