"""constate for Flax NNX: verbs for any ``nnx.Module`` that do right what NNX's own get wrong."""

from constate_flax.nnx.verbs import assign, cast, copy, load, optimizer, register, save

__all__ = ["assign", "cast", "copy", "load", "optimizer", "register", "save"]
