"""A lock guards a counter of requests: Keras copies a layer through its configuration, so that here a lock is in
nobody's way."""

import threading
from typing import Any

import keras

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


@keras.saving.register_keras_serializable(package="corpus")
class CountedDense(keras.layers.Dense):
    """A dense layer that counts its requests across threads."""

    def __init__(self, units: int = 4, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.lock = threading.Lock()
        self.requests = 0

    def call(self, x: Any) -> Any:
        with self.lock:
            self.requests += 1
        return super().call(x)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), CountedDense()])
