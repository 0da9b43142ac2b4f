"""Rotary position embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864)."""

import tensorflow as tf

from constate_tensorflow.state import derived


class RotaryEmbedding(tf.Module):
    """Turns the pairs ``(x[..., i], x[..., i + features / 2])`` by ``positions * inv_freq[i]``.

    ``x`` is float ``[batch, length, features]``, ``positions`` int ``[length]``.

    State: ``inv_freq`` float32 ``[features / 2]``, derived from ``base`` and not saved. The angles need its float32
    precision whatever the type of ``x``.
    """

    def __init__(self, features: int, base: float = 10000.0) -> None:
        super().__init__()
        exponents = tf.range(0, features, 2, dtype=tf.float64) / features
        self.inv_freq = derived(tf.cast(base**-exponents, tf.float32))

    def __call__(self, x: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        angles = tf.cast(positions, tf.float32)[:, tf.newaxis] * tf.cast(self.inv_freq, tf.float32)
        cos, sin = tf.cast(tf.cos(angles), x.dtype), tf.cast(tf.sin(angles), x.dtype)
        first, second = tf.split(x, 2, axis=-1)
        return tf.concat([first * cos - second * sin, second * cos + first * sin], axis=-1)
