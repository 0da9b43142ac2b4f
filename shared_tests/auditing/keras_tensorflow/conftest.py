"""The instruments of a layer with state of every kind."""

from __future__ import annotations

from typing import Any

import pytest

from auditing.keras_tensorflow.layers import Norm, instruments_of


@pytest.fixture
def instruments() -> Any:
    return instruments_of(Norm, "f32[3,4]")
