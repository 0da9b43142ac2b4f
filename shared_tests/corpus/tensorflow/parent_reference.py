"""Each layer holds its network, which holds the layer: a cycle in which every variable is found and saved once."""

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class ScaledLayer(tf.Module):
    """A layer that is scaled by a variable of its network."""

    def __init__(self, network: "Network", dim: int) -> None:
        super().__init__()
        self.network = network
        self.kernel = tf.Variable(tf.random.normal([dim, dim]) / dim**0.5, name="kernel")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.network.scale * tf.tanh(x @ self.kernel)


class Network(tf.Module):
    """Three layers with a common scale."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.scale = tf.Variable(0.5, name="scale")
        self.layers = [ScaledLayer(self, dim) for _ in range(3)]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def build() -> tf.Module:
    return Network()
