"""Keras' instruments where Keras runs on something else than TensorFlow."""

from __future__ import annotations

import keras
import pytest

import constate_keras.auditing
from constate.errors import UsageError


def test_another_engine_is_refused_in_one_line_and_only_for_what_is_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    refusing = constate_keras.auditing.INSTRUMENTS
    assert refusing.backend == "keras-torch" and refusing.sketch(keras.layers.Layer) is None
    with pytest.raises(UsageError, match="KERAS_BACKEND=tensorflow") as refused:
        refusing.owns(keras.layers.Dense(2))
    assert "\n" not in str(refused.value)
