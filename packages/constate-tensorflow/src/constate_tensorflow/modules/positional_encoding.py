"""Sinusoidal positional encoding (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import tensorflow as tf


class PositionalEncoding(tf.Module):
    """Adds a fixed table to ``x`` float ``[batch, length, features]``, ``length <= max_length``.

    State: ``table`` float32 ``[max_length, features]``, a constant.
    """

    def __init__(self, max_length: int, features: int) -> None:
        super().__init__()
        positions = tf.range(max_length, dtype=tf.float64)
        exponents = tf.range(0, features, 2, dtype=tf.float64) / features
        angles = positions[:, tf.newaxis] / 10000**exponents
        table = tf.reshape(tf.stack([tf.sin(angles), tf.cos(angles)], axis=-1), [max_length, features])
        self.table = tf.Variable(tf.cast(table, tf.float32), trainable=False, name="table")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.table[: tf.shape(x)[1]]
