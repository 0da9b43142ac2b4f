"""What the type of a variable tells of an entry."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flax import nnx

from constate.checkpoint import Policy
from constate.state import Kind
from constate_flax.nnx.state import Constant, Counter, Derived
from constate_flax.nnx.tree import leaves

KINDS: dict[Kind, type[nnx.Variable[Any]]] = {
    Kind.PARAMETER: nnx.Param,
    Kind.CONSTANT: Constant,
    Kind.DERIVED: Derived,
    Kind.STATISTIC: nnx.BatchStat,
    Kind.COUNTER: Counter,
    Kind.CACHE: nnx.Cache,
    Kind.RNG: nnx.RngState,
}
"""The type of variable for a kind. Of another type, and of a bare array, only its author knows."""


def policies(module: nnx.Module, saved: Collection[str]) -> dict[str, Policy]:
    """What is known of every entry, of one that is shared under its first path.

    Args:
        module: any module.
        saved: those that are written.
    """
    return {
        path: Policy(_kind(leaf), path in saved and not isinstance(leaf, Derived))
        for path, leaf in leaves(module).items()
    }


def _kind(leaf: Any) -> Kind | None:
    return next((kind for kind, variable in KINDS.items() if isinstance(leaf, variable)), None)
