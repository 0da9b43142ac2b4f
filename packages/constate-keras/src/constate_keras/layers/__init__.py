"""The layers of ``keras.layers``: where each keeps its arrays, and which of them a pass calls."""

from constate_keras.layers.layering import KerasLayering as KerasLayering

__all__ = ["KerasLayering"]
