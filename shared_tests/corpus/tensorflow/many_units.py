"""Three hundred small modules in nested lists: many, and all of them found and saved."""

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,4]"]


class Unit(tf.Module):
    """One scale."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = tf.Variable(tf.random.normal([dim]), name="scale")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x + 0.01 * tf.tanh(self.scale * x)


class Stack(tf.Module):
    """Stages of units."""

    def __init__(self, dim: int = 4, stages: int = 10, units: int = 30) -> None:
        super().__init__()
        self.stages = [[Unit(dim) for _ in range(units)] for _ in range(stages)]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        for stage in self.stages:
            for unit in stage:
                x = unit(x)
        return x


def build() -> tf.Module:
    return Stack()
