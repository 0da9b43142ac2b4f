"""Sinusoidal positional encoding (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="constate")
class PositionalEncoding(keras.Layer):
    """Adds a fixed table to ``x`` float ``[batch, length, features]``, ``length <= max_length``.

    State: ``table`` float32 ``[max_length, features]``, a constant.
    """

    def __init__(self, max_length: int, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length
        self.features = features

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        positions = np.arange(self.max_length)
        exponents = np.arange(0, self.features, 2) / self.features
        angles = positions[:, None] / 10000**exponents
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(self.max_length, self.features)
        self.table = self.add_weight(
            name="table",
            shape=table.shape,
            initializer=lambda shape, dtype: ops.cast(table, dtype),
            trainable=False,
        )

    def call(self, x: Any) -> Any:
        return x + self.table[: ops.shape(x)[1]]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_length": self.max_length, "features": self.features}
