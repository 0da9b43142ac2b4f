"""Checkpoints: the container, and the strict comparison of a file with a module."""

from __future__ import annotations

from constate.checkpoint.container import load, read, save
from constate.checkpoint.layout import CheckpointError
from constate.checkpoint.policies import Policy
from constate.checkpoint.progress import progress
from constate.checkpoint.renaming import renamed
from constate.checkpoint.saver import Saver
from constate.checkpoint.shards import load_shards, save_shards
from constate.checkpoint.strict import check, fitting

__all__ = [
    "CheckpointError", "Policy", "Saver", "check", "fitting", "load", "load_shards", "progress", "read", "renamed",
    "save", "save_shards",
]  # fmt: skip
