"""What the collection of an entry tells of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from constate.checkpoint import Policy
from constate.state import Kind
from constate_flax.linen.state import CONSTANTS, DERIVED
from constate_flax.linen.tree import PARAMS, dtype_of

_KINDS = {
    PARAMS: Kind.PARAMETER,
    CONSTANTS: Kind.CONSTANT,
    DERIVED: Kind.DERIVED,
    "batch_stats": Kind.STATISTIC,
    "cache": Kind.CACHE,
    "rng": Kind.RNG,
}
"""Of any other collection only its author knows."""


def policies(entries: Mapping[str, tuple[str, Any]], unsaved: Collection[str]) -> dict[str, Policy]:
    """What is known of every entry that ``located`` has found."""
    saved = {collection: collection not in unsaved and collection != DERIVED for collection, _ in entries.values()}
    known = {(kind, is_saved): Policy(kind, is_saved) for kind in (None, *Kind) for is_saved in (True, False)}
    return {name: known[_kind(collection, leaf), saved[collection]] for name, (collection, leaf) in entries.items()}


def _kind(collection: str, leaf: Any) -> Kind | None:
    """Integers that training moves stand among the statistics too: a single one counts, of several one cannot say."""
    kind = _KINDS.get(collection)
    if kind is Kind.STATISTIC and dtype_of(leaf).startswith(("int", "uint")):
        return None if np.shape(leaf) else Kind.COUNTER
    return kind
