"""What an audit does with any Keras layer or model, on the backend that Keras runs on in this process.

``INSTRUMENTS`` is found when it is asked for, because Keras reads its backend when it is imported.
"""

from __future__ import annotations

from typing import Any

from constate.errors import UsageError


def __getattr__(name: str) -> Any:
    if name != "INSTRUMENTS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import keras

    engine = keras.config.backend()
    if engine == "tensorflow":
        from constate_keras.auditing.tensorflow import OnTensorFlow

        return OnTensorFlow
    return _refusing(engine)


def _refusing(engine: str) -> Any:
    """Stands for Keras on an engine that an audit cannot use. Says so when it is to own a layer, and not before: Keras
    may only have been imported beside the framework of the module."""

    class Refusing:
        backend = f"keras-{engine}"

        @classmethod
        def sketch(cls, factory: object) -> None:
            return None

        @classmethod
        def owns(cls, made: object) -> bool:
            raise UsageError(
                f"found a Keras module on the backend {engine}, expected one on tensorflow; run it with "
                "KERAS_BACKEND=tensorflow"
            )

    return Refusing
