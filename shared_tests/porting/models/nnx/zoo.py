"""Every layer that is known, each family in a module of its own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class Dense(nnx.Module):
    """Tokens ``[batch, 6]`` to logits, by way of dense layers and normalisations."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.embedding = nnx.Embed(11, 8, rngs=rngs)
        self.linear = nnx.Linear(8, 8, rngs=rngs)
        self.plain = nnx.Linear(8, 8, use_bias=False, rngs=rngs)
        self.layer_norm = nnx.LayerNorm(8, epsilon=1e-3, rngs=rngs)
        self.layer_norm_plain = nnx.LayerNorm(8, epsilon=1e-3, use_bias=False, rngs=rngs)
        self.rms_norm = nnx.RMSNorm(8, epsilon=1e-3, rngs=rngs)
        self.group_norm = nnx.GroupNorm(8, num_groups=2, epsilon=1e-3, rngs=rngs)
        self.batch_norm = nnx.BatchNorm(8, momentum=0.95, epsilon=1e-3, rngs=rngs)
        self.second_norm = nnx.BatchNorm(8, momentum=0.9, epsilon=1e-3, rngs=rngs)
        self.prelu = nnx.PReLU(0.25)

    def __call__(self, tokens: jax.Array) -> tuple[jax.Array, ...]:
        x = self.layer_norm(self.linear(self.embedding(tokens)))
        y = self.rms_norm(self.layer_norm_plain(self.plain(x)))
        z = self.second_norm(jnp.tanh(self.batch_norm(self.group_norm(y))))
        return x, y, self.embedding.attend(self.prelu(z))


class Convolutions(nnx.Module):
    """A signal ``[batch, 12, 4]``, an image ``[batch, 8, 8, 4]`` and a volume ``[batch, 5, 5, 5, 4]``."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        two = (2, 2)
        three = (3, 3)
        self.signal = nnx.Conv(4, 6, (3,), padding="VALID", rngs=rngs)
        self.signal_strided = nnx.Conv(6, 6, (3,), strides=2, padding=1, use_bias=False, rngs=rngs)
        self.signal_up = nnx.ConvTranspose(6, 4, (3,), strides=2, padding="VALID", rngs=rngs)
        self.signal_separable = nnx.Sequential(
            nnx.Conv(4, 8, (3,), padding="VALID", feature_group_count=4, use_bias=False, rngs=rngs),
            nnx.Conv(8, 5, (1,), rngs=rngs),
        )
        self.mono = nnx.Conv(1, 2, (3,), padding="VALID", rngs=rngs)
        self.same = nnx.Conv(4, 4, three, padding=1, rngs=rngs)
        self.strided = nnx.Conv(4, 4, three, strides=2, rngs=rngs)
        self.grouped = nnx.Conv(4, 6, three, feature_group_count=2, rngs=rngs)
        self.dilated = nnx.Conv(6, 4, three, kernel_dilation=2, padding="VALID", use_bias=False, rngs=rngs)
        self.depthwise = nnx.Conv(4, 4, three, feature_group_count=4, rngs=rngs)
        self.depthwise_twice = nnx.Conv(4, 8, three, feature_group_count=4, rngs=rngs)
        self.separable = nnx.Sequential(
            nnx.Conv(8, 16, three, feature_group_count=8, use_bias=False, rngs=rngs),
            nnx.Conv(16, 4, (1, 1), rngs=rngs),
        )
        self.up = nnx.ConvTranspose(4, 6, two, strides=two, transpose_kernel=True, rngs=rngs)
        self.up_valid = nnx.ConvTranspose(4, 4, three, strides=two, padding="VALID", rngs=rngs)
        self.up_same = nnx.ConvTranspose(
            6, 4, three, strides=two, padding="SAME", transpose_kernel=True, use_bias=False, rngs=rngs
        )
        self.volume = nnx.Conv(4, 4, (3, 3, 3), padding="VALID", rngs=rngs)
        self.volume_up = nnx.ConvTranspose(4, 4, (2, 2, 2), strides=(2, 2, 2), rngs=rngs)

    def __call__(self, signal: jax.Array, image: jax.Array, volume: jax.Array) -> tuple[jax.Array, ...]:
        line = self.signal_up(jnp.tanh(self.signal_strided(self.signal(signal))))
        line = self.mono(jnp.mean(self.signal_separable(line), axis=-1, keepdims=True))
        x = self.strided(self.same(image))
        y = self.separable(self.depthwise_twice(self.depthwise(image)))
        z = self.dilated(self.grouped(image))
        up = self.up_same(self.up(self.up_valid(x) + jnp.mean(y)))
        return line, x, y, z, up, self.volume_up(self.volume(volume))


class Recurrent(nnx.Module):
    """Series ``[batch, 5, 6]``."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.lstm = nnx.RNN(nnx.OptimizedLSTMCell(6, 7, rngs=rngs), rngs=rngs)
        self.rnn = nnx.RNN(nnx.SimpleCell(7, 6, rngs=rngs), rngs=rngs)
        self.rectified = nnx.RNN(nnx.SimpleCell(6, 6, activation_fn=nnx.relu, rngs=rngs), rngs=rngs)
        self.first = nnx.LSTMCell(6, 6, rngs=rngs)
        self.second = nnx.OptimizedLSTMCell(6, 6, rngs=rngs)
        self.last = nnx.SimpleCell(6, 6, rngs=rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, ...]:
        x = self.rnn(self.lstm(x))
        nothing = jnp.zeros_like(x[:, 0])
        carry, hidden = self.first((nothing, nothing), x[:, 0])
        (kept, _), hidden = self.second(carry, x[:, 1] + hidden)
        return self.rectified(x), kept, self.last(nothing, hidden)[1]


class Attention(nnx.Module):
    """Queries ``[batch, 5, 8]`` and what they look at, ``[batch, 7, 6]``."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.self_attention = nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs)
        self.cross_attention = nnx.MultiHeadAttention(2, 8, 8, in_kv_features=6, decode=False, rngs=rngs)
        self.unbiased_attention = nnx.MultiHeadAttention(4, 8, use_bias=False, decode=False, rngs=rngs)

    def __call__(self, queries: jax.Array, memory: jax.Array) -> dict[str, jax.Array]:
        x = self.self_attention(queries)
        y = self.cross_attention(x, memory)
        return {"x": x, "y": y, "z": self.unbiased_attention(x, y)}


def dense() -> nnx.Module:
    return Dense(rngs=nnx.Rngs(0))


def convolutions() -> nnx.Module:
    return Convolutions(rngs=nnx.Rngs(0))


def recurrent() -> nnx.Module:
    return Recurrent(rngs=nnx.Rngs(0))


def attention() -> nnx.Module:
    return Attention(rngs=nnx.Rngs(0))
