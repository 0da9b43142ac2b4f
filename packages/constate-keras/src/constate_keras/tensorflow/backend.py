"""The keras-tensorflow backend in both flavours."""

from __future__ import annotations

from constate.backend import Backend
from constate_keras.backend import Right
from constate_keras.tensorflow.engine import OnTensorFlow


class TensorFlowNative(OnTensorFlow):
    """Keras on TensorFlow as it is."""


class TensorFlowRight(OnTensorFlow, Right):
    """Keras on TensorFlow with the verbs that it gets wrong put right."""


FLAVOURS: dict[str, type[Backend]] = {"native": TensorFlowNative, "constate": TensorFlowRight}
