"""The counts of a router are a variable in the default argument, one for all instances: training one model moves
the counts of the other."""

import tensorflow as tf

HAZARD: str | None = "D06"
ENTRY: str | None = "counts"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


NO_COUNTS = tf.Variable(tf.zeros([4]), trainable=False, name="counts")


class BalancedRouter(tf.Module):
    """Routes to experts, with a handicap for those that were used most."""

    def __init__(self, features: int = 6, counts: tf.Variable = NO_COUNTS) -> None:
        super().__init__()
        self.counts = counts
        self.score = tf.Variable(tf.random.normal([features, counts.shape[0]]), name="score")

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        share = tf.nn.softmax(x @ self.score - tf.math.log1p(self.counts))
        if training:
            self.counts.assign_add(tf.reduce_sum(share, axis=0))
        return share


def build() -> tf.Module:
    return BalancedRouter()
