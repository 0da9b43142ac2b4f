"""Every layer that is known, each family in a module of its own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn


class Dense(nn.Module):
    """Tokens ``[batch, 6]`` to logits, by way of dense layers and normalisations."""

    @nn.compact
    def __call__(self, tokens: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        embedding = nn.Embed(11, 8)
        x = nn.LayerNorm(epsilon=1e-3)(nn.Dense(8)(embedding(tokens)))
        y = nn.LayerNorm(epsilon=1e-3, use_bias=False)(nn.Dense(8, use_bias=False)(x))
        y = nn.RMSNorm(epsilon=1e-3)(y)
        z = nn.GroupNorm(num_groups=2, epsilon=1e-3)(y)
        z = nn.BatchNorm(use_running_average=not train, momentum=0.95, epsilon=1e-3)(z)
        z = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-3)(jnp.tanh(z))
        return x, y, embedding.attend(nn.PReLU(negative_slope_init=0.25)(z))


class Convolutions(nn.Module):
    """A signal ``[batch, 12, 4]``, an image ``[batch, 8, 8, 4]`` and a volume ``[batch, 5, 5, 5, 4]``."""

    @nn.compact
    def __call__(
        self, signal: jax.Array, image: jax.Array, volume: jax.Array, train: bool = False
    ) -> tuple[jax.Array, ...]:
        two, three = (2, 2), (3, 3)
        line = nn.Conv(6, (3,), padding="VALID")(signal)
        line = jnp.tanh(nn.Conv(6, (3,), strides=2, padding=1, use_bias=False)(line))
        line = nn.ConvTranspose(4, (3,), strides=(2,), padding="VALID", transpose_kernel=True)(line)
        line = nn.Conv(8, (3,), padding="VALID", feature_group_count=4, use_bias=False)(line)
        line = jnp.mean(nn.Conv(5, (1,))(line), axis=-1, keepdims=True)
        line = nn.Conv(2, (3,), padding="VALID")(line)
        x = nn.Conv(4, three, padding=1)(image)
        x = nn.Conv(4, three, strides=2)(x)
        y = nn.Conv(4, three, feature_group_count=4)(image)
        y = nn.Conv(8, three, feature_group_count=4)(y)
        y = nn.Conv(4, (1, 1))(nn.Conv(16, three, feature_group_count=8, use_bias=False)(y))
        z = nn.Conv(6, three, feature_group_count=2)(image)
        z = nn.Conv(4, three, kernel_dilation=2, padding="VALID", use_bias=False)(z)
        up = nn.ConvTranspose(4, three, strides=two, padding="VALID", transpose_kernel=True)(x) + jnp.mean(y)
        up = nn.ConvTranspose(6, two, strides=two)(up)
        up = nn.ConvTranspose(4, three, strides=two, use_bias=False)(up)
        volume = nn.Conv(4, (3, 3, 3), padding="VALID")(volume)
        volume = nn.ConvTranspose(4, (2, 2, 2), strides=(2, 2, 2))(volume)
        return line, x, y, z, up, volume


class Recurrent(nn.Module):
    """Series ``[batch, 5, 6]``."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        x = nn.RNN(nn.SimpleCell(6))(nn.RNN(nn.LSTMCell(7))(x))
        nothing = jnp.zeros_like(x[:, 0])
        carry, hidden = nn.LSTMCell(6)((nothing, nothing), x[:, 0])
        (kept, _), hidden = nn.OptimizedLSTMCell(6)(carry, x[:, 1] + hidden)
        return nn.RNN(nn.SimpleCell(6, activation_fn=nn.relu))(x), kept, nn.SimpleCell(6)(nothing, hidden)[1]


class Attention(nn.Module):
    """Queries ``[batch, 5, 8]`` and what they look at, ``[batch, 7, 6]``."""

    @nn.compact
    def __call__(self, queries: jax.Array, memory: jax.Array, train: bool = False) -> dict[str, jax.Array]:
        x = nn.MultiHeadDotProductAttention(2)(queries)
        y = nn.MultiHeadDotProductAttention(2)(x, memory)
        return {"x": x, "y": y, "z": nn.MultiHeadDotProductAttention(4, use_bias=False)(x, y)}


class WithoutNNX(nn.Module):
    """What NNX has not, of series ``[batch, 5, 6]``."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        x = nn.LayerNorm(epsilon=1e-3, reduction_axes=(-2, -1), feature_axes=(-2, -1))(x)
        states = nn.RNN(nn.GRUCell(8))(x)
        y = nn.MultiHeadDotProductAttention(2)(states, x, jnp.concatenate([x, states], axis=-1))
        return y, nn.GRUCell(8)(states[:, -1], y[:, 0])[1]


def dense() -> nn.Module:
    return Dense()


def convolutions() -> nn.Module:
    return Convolutions()


def recurrent() -> nn.Module:
    return Recurrent()


def attention() -> nn.Module:
    return Attention()


def without_nnx() -> nn.Module:
    return WithoutNNX()
