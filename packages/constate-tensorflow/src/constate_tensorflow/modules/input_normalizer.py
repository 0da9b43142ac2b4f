"""Standardises inputs with statistics fitted chunk by chunk (Chan et al. 1979, pairwise rule)."""

import tensorflow as tf


class InputNormalizer(tf.Module):
    """``(x - mean) / sqrt(variance + epsilon)`` for ``x`` float ``[batch, features]``.

    State: ``mean`` and ``variance`` float32 ``[features]`` of the ``count`` int32 ``[]`` rows seen so far; a pass in
    training mode merges its rows into them first.
    """

    def __init__(self, features: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.mean = tf.Variable(tf.zeros(features), trainable=False, name="mean")
        self.variance = tf.Variable(tf.ones(features), trainable=False, name="variance")
        self.count = tf.Variable(0, trainable=False, dtype=tf.int32, name="count")

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        mean, variance = self.mean, self.variance
        inputs = tf.cast(x, mean.dtype)
        if training:
            rows = tf.shape(x)[0]
            share = tf.cast(rows, mean.dtype) / tf.cast(self.count + rows, mean.dtype)
            delta = tf.reduce_mean(inputs, 0) - mean
            spread = tf.math.reduce_variance(inputs, 0) - variance
            variance = variance + share * spread + share * (1 - share) * delta**2
            mean = mean + share * delta
            self.mean.assign(mean)
            self.variance.assign(variance)
            self.count.assign_add(rows)
        return tf.cast((inputs - mean) * tf.math.rsqrt(variance + self.epsilon), x.dtype)
