"""A linear map with a fixed weight."""

import tensorflow as tf


class FrozenLinear(tf.Module):
    """``x @ kernel + bias`` for ``x`` float ``[batch, in_features]``.

    State: ``kernel`` float32 ``[in_features, out_features]`` and ``bias`` float32 ``[out_features]``, constants drawn
    when the module is made.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        kernel = tf.random.normal([in_features, out_features], stddev=in_features**-0.5)
        self.kernel = tf.Variable(kernel, trainable=False, name="kernel")
        self.bias = tf.Variable(tf.random.normal([out_features]), trainable=False, name="bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.kernel + self.bias
