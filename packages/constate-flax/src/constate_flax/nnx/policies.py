"""What the type of a variable tells of an entry."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flax import nnx

from constate.checkpoint import Policy
from constate.state import Kind
from constate_flax.nnx.state import Constant, Counter, Derived

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


def policies(leaves: Mapping[str, Any], saved: Collection[str]) -> dict[str, Policy]:
    """What is known of every entry, of one that is shared under its first path.

    Args:
        leaves: those of a module, by canonical path.
        saved: those that are written.
    """
    known = {(kind, is_saved): Policy(kind, is_saved) for kind in (None, *KINDS) for is_saved in (True, False)}
    kinds = {path: _kind(leaf) for path, leaf in leaves.items()}
    return {path: known[kind, path in saved and kind is not Kind.DERIVED] for path, kind in kinds.items()}


def _kind(leaf: Any) -> Kind | None:
    return next((kind for kind, variable in KINDS.items() if isinstance(leaf, variable)), None)
