"""The counts of a router are a variable in the default argument, one for all instances: training one model moves
the counts of the other."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = "D06"
ENTRY: str | None = "counts"
ALSO: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[8,6]"]


NO_COUNTS = keras.Variable(ops.zeros((4,)), trainable=False, name="counts")


@keras.saving.register_keras_serializable(package="corpus")
class BalancedRouter(keras.layers.Layer):
    """Routes to experts, with a handicap for those that were used most."""

    def __init__(self, counts: keras.Variable = NO_COUNTS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.counts = counts
        self.score = keras.layers.Dense(counts.shape[0])

    def build(self, input_shape: Any) -> None:
        self.score.build(input_shape)

    def call(self, x: Any, training: bool = False) -> Any:
        share = ops.softmax(self.score(x) - ops.cast(ops.log1p(self.counts), x.dtype))
        if training:
            self.counts.assign_add(ops.cast(ops.sum(share, axis=0), "float32"))
        return share


def build() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), BalancedRouter()])
