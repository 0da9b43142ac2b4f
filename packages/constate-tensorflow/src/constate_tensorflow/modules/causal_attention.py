"""Causal self-attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import tensorflow as tf

from constate_tensorflow.state import derived


class Projection(tf.Module):
    """``x @ kernel`` with ``kernel`` float32 ``[in_features, out_features]``, trained."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        limit = (6 / (in_features + out_features)) ** 0.5
        self.kernel = tf.Variable(tf.random.uniform([in_features, out_features], -limit, limit), name="kernel")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.kernel


class CausalAttention(tf.Module):
    """Self-attention of ``x`` float ``[batch, length, features]`` in which position ``i`` sees ``0..i``.

    State: ``mask`` bool ``[max_length, max_length]``, derived from ``max_length`` and not saved; four trained
    projections.
    """

    def __init__(self, features: int, heads: int, max_length: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Projection(features, features)
        self.key = Projection(features, features)
        self.value = Projection(features, features)
        self.output = Projection(features, features)
        self.mask = derived(tf.linalg.band_part(tf.ones([max_length, max_length], tf.bool), -1, 0))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        batch, length, features = tf.unstack(tf.shape(x))
        query, key, value = (
            tf.transpose(tf.reshape(project(x), [batch, length, self.heads, features // self.heads]), [0, 2, 1, 3])
            for project in (self.query, self.key, self.value)
        )
        scores = tf.matmul(query, key, transpose_b=True) * query.shape[-1] ** -0.5
        scores = tf.where(self.mask[:length, :length], scores, tf.constant(float("-inf"), scores.dtype))
        joined = tf.transpose(tf.nn.softmax(scores) @ value, [0, 2, 1, 3])
        return self.output(tf.reshape(joined, tf.shape(x)))
