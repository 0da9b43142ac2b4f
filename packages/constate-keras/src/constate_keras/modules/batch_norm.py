"""Batch normalisation (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167)."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="constate")
class BatchNorm(keras.Layer):
    """Normalises ``x`` float ``[batch, features]``, by the batch in training mode and by the running statistics else.

    State: ``scale`` and ``bias`` float32 ``[features]``, trained; ``mean`` and ``variance`` float32 ``[features]`` and
    ``count`` int32 ``[]``, moved by the forward pass in training mode.
    """

    def __init__(self, features: int, momentum: float = 0.1, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (self.features,)
        pinned: dict[str, Any] = {"dtype": "float32", "trainable": False, "autocast": False}
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")
        self.bias = self.add_weight(name="bias", shape=shape, initializer="zeros")
        self.mean = self.add_weight(name="mean", shape=shape, initializer="zeros", **pinned)
        self.variance = self.add_weight(name="variance", shape=shape, initializer="ones", **pinned)
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", dtype="int32", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        mean, variance = self.mean, self.variance
        inputs = ops.cast(x, mean.dtype)
        if training:
            mean, variance = ops.mean(inputs, axis=0), ops.var(inputs, axis=0)
            rows = ops.cast(ops.shape(x)[0], mean.dtype)
            self.mean.assign_add(self.momentum * (mean - self.mean))
            self.variance.assign_add(self.momentum * (variance * rows / (rows - 1) - self.variance))
            self.count.assign_add(1)
        normal = (inputs - mean) * ops.rsqrt(variance + self.epsilon)
        scale, bias = ops.cast(self.scale, mean.dtype), ops.cast(self.bias, mean.dtype)
        return ops.cast(normal * scale + bias, x.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"features": self.features, "momentum": self.momentum, "epsilon": self.epsilon}
        return {**super().get_config(), **own}
