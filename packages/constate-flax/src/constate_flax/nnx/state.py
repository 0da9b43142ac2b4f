"""The kinds of state for which NNX has no word of its own. It has ``nnx.Param``, ``nnx.BatchStat`` and ``nnx.Cache``.

Subclasses of ``nnx.Variable`` are how NNX tells kinds of state apart: ``nnx.state(module, Constant)``.
"""

from __future__ import annotations

from typing import TypeVar

from flax import nnx

A = TypeVar("A")


class Constant(nnx.Variable[A]):
    """Never changes; saved."""


class Derived(nnx.Variable[A]):
    """Computed from the configuration; not saved, computed again."""


class Counter(nnx.Variable[A]):
    """An integer that counts."""
