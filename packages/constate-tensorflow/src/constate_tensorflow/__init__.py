"""constate for TensorFlow: verbs for any ``tf.Module`` that do right what TensorFlow's own get wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constate_tensorflow.verbs import (
        abstract,
        allocate,
        apply_gradients,
        assign,
        cast,
        copy,
        load,
        materialise,
        move,
        register,
        save,
    )

__all__ = [
    "abstract", "allocate", "apply_gradients", "assign", "cast", "copy", "load", "materialise", "move", "register",
    "save",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # TensorFlow reads its environment when it is imported, and backend.py sets it before.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; expected one of {', '.join(__all__)}")
    from constate_tensorflow import verbs

    return getattr(verbs, name)
