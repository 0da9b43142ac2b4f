"""Dropout and noise make each training pass another one: inference is exact, and nothing of it needs saving."""

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class NoisyNetwork(tf.Module):
    """Noise on the inputs and dropout in the middle, both in training only."""

    def __init__(self, features: int = 8, hidden: int = 16, outputs: int = 4, noise: float = 0.3) -> None:
        super().__init__()
        self.noise = noise
        self.up = tf.Variable(tf.random.normal([features, hidden]) / features**0.5, name="up")
        self.down = tf.Variable(tf.random.normal([hidden, outputs]) / hidden**0.5, name="down")

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training:
            x += self.noise * tf.random.normal(tf.shape(x))
        hidden = tf.nn.relu(x @ self.up)
        if training:
            hidden = tf.nn.dropout(hidden, rate=0.5)
        return hidden @ self.down


def build() -> tf.Module:
    return NoisyNetwork()
