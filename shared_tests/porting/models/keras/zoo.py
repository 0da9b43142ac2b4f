"""Every layer that is known, each family in a module of its own."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


def dense() -> keras.Model:
    """Tokens ``[batch, 6]`` to logits, by way of dense layers and normalisations."""
    tokens = keras.Input((6,), dtype="int64")
    embedding = layers.ReversibleEmbedding(11, 8)
    x = layers.LayerNormalization()(layers.Dense(8)(embedding(tokens)))
    y = layers.LayerNormalization(center=False)(layers.Dense(8, use_bias=False)(x))
    y = layers.RMSNormalization(epsilon=1e-3)(y)
    z = layers.GroupNormalization(2)(y)
    z = layers.BatchNormalization(momentum=0.95)(z)
    z = layers.BatchNormalization(momentum=0.9)(ops.tanh(z))
    z = layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2])(z)
    return keras.Model(tokens, [x, y, embedding(z, reverse=True)], name="dense")


def convolutions() -> keras.Model:
    """A signal ``[batch, 12, 4]``, an image ``[batch, 8, 8, 4]`` and a volume ``[batch, 5, 5, 5, 4]``."""
    signal, image, volume = keras.Input((12, 4)), keras.Input((8, 8, 4)), keras.Input((5, 5, 5, 4))
    line = layers.ZeroPadding1D(1)(layers.Conv1D(6, 3)(signal))
    line = layers.Conv1D(6, 3, strides=2, use_bias=False, activation="tanh")(line)
    line = layers.Conv1DTranspose(4, 3, strides=2)(line)
    line = ops.mean(layers.SeparableConv1D(5, 3, depth_multiplier=2)(line), axis=-1, keepdims=True)
    line = layers.DepthwiseConv1D(3, depth_multiplier=2)(line)
    x = layers.Conv2D(4, 3, padding="same")(image)
    x = layers.Conv2D(4, 3, strides=2, padding="same")(x)
    y = layers.DepthwiseConv2D(3, padding="same")(image)
    y = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(y)
    y = layers.SeparableConv2D(4, 3, depth_multiplier=2, padding="same")(y)
    z = layers.Conv2D(6, 3, padding="same", groups=2)(image)
    z = layers.Conv2D(4, 3, dilation_rate=2, use_bias=False)(z)
    up = layers.Conv2DTranspose(4, 3, strides=2)(x) + ops.mean(y)
    up = layers.Conv2DTranspose(6, 2, strides=2, padding="same")(up)
    up = layers.Conv2DTranspose(4, 3, strides=2, padding="same", use_bias=False)(up)
    block = layers.Conv3DTranspose(4, 2, strides=2)(layers.Conv3D(4, 3)(volume))
    return keras.Model([signal, image, volume], [line, x, y, z, up, block], name="convolutions")


class Recurrent(layers.Layer):
    """Series ``[batch, 5, 6]``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lstm = layers.LSTM(7, return_sequences=True)
        self.rnn = layers.SimpleRNN(6, return_sequences=True)
        self.rectified = layers.RNN(layers.SimpleRNNCell(6, activation="relu"), return_sequences=True)
        self.first = layers.LSTMCell(6)
        self.second = layers.LSTMCell(6)
        self.last = layers.SimpleRNNCell(6)

    def call(self, x: Any) -> tuple[Any, ...]:
        x = self.rnn(self.lstm(x))
        nothing = ops.zeros_like(x[:, 0])
        hidden, states = self.first(x[:, 0], [nothing, nothing])
        hidden, (_, kept) = self.second(x[:, 1] + hidden, states)
        return self.rectified(x), kept, self.last(hidden, [nothing])[0]


def recurrent() -> keras.Model:
    series = keras.Input((5, 6))
    return keras.Model(series, Recurrent()(series), name="recurrent")


def attention() -> keras.Model:
    """Queries ``[batch, 5, 8]`` and what they look at, ``[batch, 7, 6]``."""
    queries, memory = keras.Input((5, 8)), keras.Input((7, 6))
    x = layers.MultiHeadAttention(2, 4)(queries, queries)
    y = layers.MultiHeadAttention(2, 4)(x, memory)
    z = layers.MultiHeadAttention(4, 2, use_bias=False)(x, y)
    return keras.Model([queries, memory], {"x": x, "y": y, "z": z}, name="attention")


def without_nnx() -> keras.Model:
    """What NNX has not, of series ``[batch, 5, 6]``."""
    series = keras.Input((5, 6))
    x = layers.LayerNormalization(axis=[1, 2])(series)
    states = layers.GRU(8, return_sequences=True)(x)
    y = layers.MultiHeadAttention(2, 4)(states, ops.concatenate([x, states], axis=-1), x)
    return keras.Model(series, [y, layers.GRUCell(8)(y[:, 0], [states[:, -1]])[0]], name="without_nnx")


def without_flax() -> keras.Model:
    """What Flax has not: recurrent layers without biases, and a slope for each channel; of series ``[batch, 5, 6]``."""
    series = keras.Input((5, 6))
    x = layers.LSTM(7, use_bias=False, return_sequences=True)(series)
    x = layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1])(x)
    x = layers.Activation("tanh")(layers.GRU(7, use_bias=False, return_sequences=True)(x))
    outputs = layers.SimpleRNN(6, use_bias=False, return_sequences=True)(x)
    return keras.Model(series, outputs, name="without_flax")
