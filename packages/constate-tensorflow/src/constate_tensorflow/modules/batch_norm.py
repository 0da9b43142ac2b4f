"""Batch normalisation (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167)."""

import tensorflow as tf


class BatchNorm(tf.Module):
    """Normalises ``x`` float ``[batch, features]``, by the batch in training mode and by the running statistics else.

    State: ``scale`` and ``bias`` float32 ``[features]``, trained; ``mean`` and ``variance`` float32 ``[features]`` and
    ``count`` int32 ``[]``, moved by the forward pass in training mode.
    """

    def __init__(self, features: int, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.momentum = momentum
        self.epsilon = epsilon
        self.scale = tf.Variable(tf.ones(features), name="scale")
        self.bias = tf.Variable(tf.zeros(features), name="bias")
        self.mean = tf.Variable(tf.zeros(features), trainable=False, name="mean")
        self.variance = tf.Variable(tf.ones(features), trainable=False, name="variance")
        self.count = tf.Variable(0, trainable=False, dtype=tf.int32, name="count")

    def __call__(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        mean, variance = self.mean, self.variance
        inputs = tf.cast(x, mean.dtype)
        if training:
            mean, variance = tf.reduce_mean(inputs, 0), tf.math.reduce_variance(inputs, 0)
            rows = tf.cast(tf.shape(x)[0], mean.dtype)
            self.mean.assign_add(self.momentum * (mean - self.mean))
            self.variance.assign_add(self.momentum * (variance * rows / (rows - 1) - self.variance))
            self.count.assign_add(1)
        normal = (inputs - mean) * tf.math.rsqrt(variance + self.epsilon)
        scale, bias = tf.cast(self.scale, normal.dtype), tf.cast(self.bias, normal.dtype)
        return tf.cast(normal * scale + bias, x.dtype)
