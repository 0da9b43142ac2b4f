"""A list holds the kernels that shall be decayed: the same variables that the layers hold, and not other ones."""

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class Dense(tf.Module):
    """A dense layer."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.normal([features, outputs]) / features**0.5, name="kernel")
        self.bias = tf.Variable(tf.zeros([outputs]), name="bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.kernel + self.bias


class Network(tf.Module):
    """Two layers and the list of what decays."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.first, self.second = Dense(dim, 16), Dense(16, 4)
        self.decayed = [self.first.kernel, self.second.kernel]

    def penalty(self) -> tf.Tensor:
        return tf.add_n([tf.nn.l2_loss(kernel) for kernel in self.decayed])

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.second(tf.nn.relu(self.first(x)))


def build() -> tf.Module:
    return Network()
