"""One property raises, and reading the other empties a list: Keras itself reads every attribute when it saves, and
no output depends on either."""

from typing import Any

import keras

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


@keras.saving.register_keras_serializable(package="corpus")
class MonitoredDense(keras.layers.Dense):
    """A dense layer that notes the shapes it has seen, until someone asks."""

    def __init__(self, units: int = 4, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.shapes: set[str] = set()

    @property
    def news(self) -> list[str]:
        """The shapes since the last time."""
        news = sorted(self.shapes)
        self.shapes.clear()
        return news

    @property
    def best_epoch(self) -> int:
        raise RuntimeError("not trained yet: there is no best epoch")

    def call(self, x: Any) -> Any:
        self.shapes.add(str(tuple(x.shape)))
        return super().call(x)


def build() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), MonitoredDense()])
