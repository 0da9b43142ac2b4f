"""The bias of masked positions is -1e9, which is -inf in float16: multiplied by the 0 of a visible position it is
NaN, and so is every output."""

from typing import Any

import keras
from keras import ops

HAZARD: str | None = "D07"
ENTRY: str | None = "masked_bias"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,16,8]"]


@keras.saving.register_keras_serializable(package="corpus")
class CausalAttention(keras.layers.Layer):
    """Attention to what came before."""

    def __init__(self, dim: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.qkv = keras.layers.Dense(3 * dim)

    def build(self, input_shape: Any) -> None:
        self.qkv.build(input_shape)
        bias = keras.initializers.Constant(-1e9)
        self.masked_bias = self.add_weight(name="masked_bias", shape=(), initializer=bias, trainable=False)

    def call(self, x: Any) -> Any:
        length, dim = x.shape[1:]
        q, k, v = ops.split(self.qkv(x), 3, axis=-1)
        hidden = 1 - ops.tril(ops.ones((length, length), dtype=x.dtype))
        scores = ops.matmul(q, ops.swapaxes(k, 1, 2)) / dim**0.5 + hidden * self.masked_bias
        return ops.matmul(ops.softmax(scores), v)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((16, 8)), CausalAttention()])
