"""Standardises inputs with statistics fitted chunk by chunk (Chan et al. 1979, pairwise rule)."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="constate")
class InputNormalizer(keras.Layer):
    """``(x - mean) / sqrt(variance + epsilon)`` for ``x`` float ``[batch, features]``.

    State: ``mean`` and ``variance`` float32 ``[features]`` of the ``count`` int32 ``[]`` rows seen so far; a pass in
    training mode merges its rows into them first.
    """

    def __init__(self, features: int, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (self.features,)
        pinned: dict[str, Any] = {"dtype": "float32", "trainable": False, "autocast": False}
        self.mean = self.add_weight(name="mean", shape=shape, initializer="zeros", **pinned)
        self.variance = self.add_weight(name="variance", shape=shape, initializer="ones", **pinned)
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", dtype="int32", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        mean, variance = self.mean, self.variance
        inputs = ops.cast(x, mean.dtype)
        if training:
            rows = ops.shape(x)[0]
            share = ops.cast(rows, mean.dtype) / ops.cast(self.count + rows, mean.dtype)
            delta = ops.mean(inputs, axis=0) - mean
            spread = ops.var(inputs, axis=0) - variance
            variance = variance + share * spread + share * (1 - share) * delta**2
            mean = mean + share * delta
            self.mean.assign(mean)
            self.variance.assign(variance)
            self.count.assign_add(rows)
        return ops.cast((inputs - mean) * ops.rsqrt(variance + self.epsilon), x.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features, "epsilon": self.epsilon}
