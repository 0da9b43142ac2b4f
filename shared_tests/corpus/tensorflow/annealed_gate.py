"""One property raises and reading the other cools the temperature: whoever walks the attributes must cope, the
temperature itself is a saved variable."""

import tensorflow as tf

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class AnnealedGate(tf.Module):
    """A soft choice of features that gets harder from epoch to epoch."""

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        self.logits = tf.Variable(tf.random.normal([features]), name="logits")
        self.temperature = tf.Variable(2.0, trainable=False, name="temperature")

    @property
    def annealed(self) -> tf.Tensor:
        """The temperature of the next epoch."""
        return self.temperature.assign(0.5 * self.temperature)

    @property
    def best_epoch(self) -> int:
        raise RuntimeError("not trained yet: there is no best epoch")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x * tf.sigmoid(self.logits / self.temperature)


def build() -> tf.Module:
    return AnnealedGate()
