"""The low-rank adapter is a dataclass of two variables, which ``tf.Module`` does not look into: they are in no
listing, in no gradient and in no checkpoint."""

from dataclasses import dataclass

import tensorflow as tf

HAZARD: str | None = "P01"
ENTRY: str | None = "adapter"
ALSO: frozenset[str] = frozenset({"P09"})
INPUTS: list[str] = ["f32[4,8]"]


@dataclass
class Adapter:
    down: tf.Variable
    up: tf.Variable

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.down @ self.up


class AdaptedDense(tf.Module):
    """A dense layer with a low-rank correction."""

    def __init__(self, features: int = 8, rank: int = 2) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.normal([features, features]) / features**0.5, name="kernel")
        self.adapter = Adapter(
            down=tf.Variable(tf.random.normal([features, rank]) / features**0.5, name="down"),
            up=tf.Variable(tf.random.normal([rank, features]) / rank**0.5, name="up"),
        )

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.kernel + self.adapter(x)


def build() -> tf.Module:
    return AdaptedDense()
