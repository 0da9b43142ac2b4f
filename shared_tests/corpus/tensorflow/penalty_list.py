"""Every training pass appends its penalty to a list that nobody empties: memory grows by a tensor a step."""

import tensorflow as tf

HAZARD: str | None = "G06"
ENTRY: str | None = "penalties"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class SparseAutoencoder(tf.Module):
    """An autoencoder that collects its sparsity penalties for the training loop."""

    def __init__(self, features: int = 6, codes: int = 12) -> None:
        super().__init__()
        self.encode = tf.Variable(tf.random.normal([features, codes]), name="encode")
        self.decode = tf.Variable(tf.random.normal([codes, features]), name="decode")
        self.penalties: list[tf.Tensor] = []

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        code = tf.nn.relu(x @ self.encode)
        if training:
            self.penalties.append(tf.reduce_mean(tf.abs(code)))
        return code @ self.decode


def build() -> tf.Module:
    return SparseAutoencoder()
