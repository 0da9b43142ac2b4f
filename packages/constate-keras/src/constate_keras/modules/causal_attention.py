"""Causal self-attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from constate_keras import state


@keras.saving.register_keras_serializable(package="constate")
class Projection(keras.Layer):
    """``x @ kernel`` with ``kernel`` float32 ``[in_features, out_features]``, trained."""

    def __init__(self, in_features: int, out_features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_features = in_features
        self.out_features = out_features

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (self.in_features, self.out_features)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.kernel)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.out_features)

    def get_config(self) -> dict[str, Any]:
        own = {"in_features": self.in_features, "out_features": self.out_features}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="constate")
class CausalAttention(state.Layer):
    """Self-attention of ``x`` float ``[batch, length, features]`` in which position ``i`` sees ``0..i``.

    State: ``mask`` bool ``[max_length, max_length]``, derived from ``max_length`` and not saved; four trained
    projections.
    """

    def __init__(self, features: int, heads: int, max_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.heads = heads
        self.max_length = max_length
        self.query = Projection(features, features, name="query", dtype=self.dtype_policy)
        self.key = Projection(features, features, name="key", dtype=self.dtype_policy)
        self.value = Projection(features, features, name="value", dtype=self.dtype_policy)
        # A Keras layer's own ``output`` is something else, so that only the sublayer's name can be that.
        self.join = Projection(features, features, name="output", dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for projection in (self.query, self.key, self.value, self.join):
            projection.build(input_shape)
        mask = np.tril(np.ones((self.max_length, self.max_length), bool))
        self.mask = self.add_derived(
            name="mask", shape=mask.shape, dtype="bool", initializer=lambda shape, dtype: ops.cast(mask, dtype)
        )

    def call(self, x: Any) -> Any:
        batch, length, features = ops.shape(x)
        query, key, value = (
            ops.swapaxes(ops.reshape(project(x), (batch, length, self.heads, features // self.heads)), 1, 2)
            for project in (self.query, self.key, self.value)
        )
        scores = ops.matmul(query, ops.swapaxes(key, 2, 3)) * (features // self.heads) ** -0.5
        scores = ops.where(self.mask[:length, :length], scores, -np.inf)
        joined = ops.reshape(ops.swapaxes(ops.matmul(ops.softmax(scores, axis=-1), value), 1, 2), ops.shape(x))
        return self.join(joined)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"features": self.features, "heads": self.heads, "max_length": self.max_length}
        return {**super().get_config(), **own}
