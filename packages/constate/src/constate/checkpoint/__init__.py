"""Checkpoints: the container, and the strict comparison of a file with a module."""

from __future__ import annotations

from constate.checkpoint.container import CheckpointError, read, write
from constate.checkpoint.strict import check

__all__ = ["CheckpointError", "check", "read", "write"]
