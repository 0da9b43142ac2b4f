"""The backend ``keras-tensorflow``: Keras on TensorFlow.

Keras reads which backend it has when it is imported, so that this comes before anything that imports Keras.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from constate.errors import UsageError

if "keras" in sys.modules and sys.modules["keras"].config.backend() != "tensorflow":
    raise UsageError(
        f"Keras runs on {sys.modules['keras'].config.backend()} in this process, and keras-tensorflow needs it to run "
        "on TensorFlow; set KERAS_BACKEND=tensorflow, or use another process"
    )
os.environ["KERAS_BACKEND"] = "tensorflow"


def __getattr__(name: str) -> Any:
    """``FLAVOURS``, when it is asked for."""
    if name != "FLAVOURS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from constate_keras.tensorflow.backend import FLAVOURS

    return FLAVOURS
