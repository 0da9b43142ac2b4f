"""Rotary position embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from constate_keras import state


@keras.saving.register_keras_serializable(package="constate")
class RotaryEmbedding(state.Layer):
    """Turns the pairs ``(x[..., i], x[..., i + features / 2])`` by ``positions * inv_freq[i]``.

    ``x`` is float ``[batch, length, features]``, ``positions`` int ``[length]``.

    State: ``inv_freq`` float32 ``[features / 2]``, derived from ``base`` and not saved. The angles need its float32
    precision whatever the type of ``x``.
    """

    def __init__(self, features: int, base: float = 10000.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.base = base

    def build(self, x_shape: tuple[int | None, ...]) -> None:
        exponents = np.arange(0, self.features, 2) / self.features
        self.inv_freq = self.add_derived(
            name="inv_freq",
            shape=exponents.shape,
            dtype="float32",
            initializer=lambda shape, dtype: ops.cast(self.base**-exponents, dtype),
        )

    def call(self, x: Any, positions: Any) -> Any:
        angles = ops.cast(positions, "float32")[:, None] * self.inv_freq
        cos, sin = ops.cast(ops.cos(angles), x.dtype), ops.cast(ops.sin(angles), x.dtype)
        first, second = ops.split(x, 2, axis=-1)
        return ops.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)

    def compute_output_shape(self, x_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return x_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features, "base": self.base}
