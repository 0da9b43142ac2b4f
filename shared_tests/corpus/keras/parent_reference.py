"""Each layer refers to its network by a weak reference, a cycle that Keras does not see: what it reaches there is a
weight of the network already."""

import weakref
from typing import Any

import keras
from keras import ops

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class ScaledLayer(keras.layers.Layer):
    """A layer that is scaled by a weight of its network."""

    def __init__(self, network: "Network", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = weakref.ref(network)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], input_shape[-1]))

    def call(self, x: Any) -> Any:
        network = self.network()
        assert network is not None, "a layer lives no longer than its network"
        return x + network.scale * ops.tanh(ops.matmul(x, self.kernel))


@keras.saving.register_keras_serializable(package="corpus")
class Network(keras.layers.Layer):
    """Three layers with a common scale."""

    def __init__(self, depth: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blocks = [ScaledLayer(self) for _ in range(depth)]

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        for block in self.blocks:
            block.build(input_shape)

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


def build() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), Network()])
