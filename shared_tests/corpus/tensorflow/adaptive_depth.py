"""The number of rounds depends on the data: nothing is wrong with its state."""

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class AdaptiveDepth(tf.Module):
    """Applies one layer until the state hardly moves, at most eight times."""

    def __init__(self, dim: int = 8, tolerance: float = 0.05) -> None:
        super().__init__()
        self.tolerance = tolerance
        self.kernel = tf.Variable(0.5 * tf.random.normal([dim, dim]) / dim**0.5, name="kernel")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        state, moved, rounds = x, tf.constant(1.0), tf.constant(0)
        while moved > self.tolerance and rounds < 8:
            following = x + tf.tanh(state @ self.kernel)
            moved = tf.reduce_max(tf.abs(following - state))
            state = following
            rounds += 1
        return state


def build() -> tf.Module:
    return AdaptiveDepth()
