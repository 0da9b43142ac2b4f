"""The constructor keeps a ``tf.function`` on an attribute: a new module can be copied, and after the first call
``copy.deepcopy`` meets the graph in it and raises."""

import tensorflow as tf

HAZARD: str | None = "P07"
ENTRY: str | None = "program"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class CompiledNetwork(tf.Module):
    """A small network whose pass is compiled."""

    def __init__(self, features: int = 8, hidden: int = 16, outputs: int = 4) -> None:
        super().__init__()
        self.up = tf.Variable(tf.random.normal([features, hidden]) / features**0.5, name="up")
        self.down = tf.Variable(tf.random.normal([hidden, outputs]) / hidden**0.5, name="down")
        self.program = tf.function(self.run)

    def run(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(x @ self.up) @ self.down

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.program(x)


def build() -> tf.Module:
    return CompiledNetwork()
