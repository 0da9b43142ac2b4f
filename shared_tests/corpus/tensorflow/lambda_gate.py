"""The activation is a lambda: nothing is lost by it, but the module cannot be pickled, neither new nor used."""

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,8]"]


class GatedUnit(tf.Module):
    """A dense unit with a gate."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.random.normal([dim, 2 * dim]) / dim**0.5, name="kernel")
        self.activation = lambda x: x * tf.sigmoid(x)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        value, gate = tf.split(x @ self.kernel, 2, axis=-1)
        return value * self.activation(gate)


def build() -> tf.Module:
    return GatedUnit()
