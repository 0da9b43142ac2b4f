"""constate for Keras 3: verbs for any ``keras.Model`` or layer that do what Keras' own get wrong.

The verbs are imported when they are used, because Keras reads its backend when it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constate_keras.verbs import abstract, allocate, assign, load, materialise, register, save, trainable

__all__ = ["abstract", "allocate", "assign", "load", "materialise", "register", "save", "trainable"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from constate_keras import verbs

    return getattr(verbs, name)


def __dir__() -> list[str]:
    return __all__
