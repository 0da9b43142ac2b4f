"""A linear map with a fixed weight."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="constate")
class FrozenLinear(keras.Layer):
    """``x @ kernel + bias`` for ``x`` float ``[batch, in_features]``.

    State: ``kernel`` float32 ``[in_features, out_features]`` and ``bias`` float32 ``[out_features]``, constants drawn
    when the module is made.
    """

    def __init__(self, in_features: int, out_features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.in_features = in_features
        self.out_features = out_features

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.in_features, self.out_features),
            initializer=keras.initializers.RandomNormal(stddev=self.in_features**-0.5),
            trainable=False,
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.out_features,),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
        )

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.kernel) + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.out_features)

    def get_config(self) -> dict[str, Any]:
        own = {"in_features": self.in_features, "out_features": self.out_features}
        return {**super().get_config(), **own}
