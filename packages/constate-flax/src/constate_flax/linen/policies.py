"""What the collection of an entry tells of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from constate.checkpoint import Policy
from constate.state import Kind
from constate_flax.linen.state import CONSTANTS, DERIVED
from constate_flax.linen.tree import PARAMS, Variables, dtype_of, located

_KINDS = {
    PARAMS: Kind.PARAMETER,
    CONSTANTS: Kind.CONSTANT,
    DERIVED: Kind.DERIVED,
    "batch_stats": Kind.STATISTIC,
    "cache": Kind.CACHE,
    "rng": Kind.RNG,
}
"""Of any other collection only its author knows."""


def policies(variables: Variables, unsaved: Collection[str]) -> dict[str, Policy]:
    """What is known of every entry."""
    return {
        name: Policy(_kind(collection, leaf), collection not in unsaved and collection != DERIVED)
        for name, (collection, leaf) in located(variables).items()
    }


def _kind(collection: str, leaf: Any) -> Kind | None:
    """Integers that training moves stand among the statistics too: a single one counts, of several one cannot say."""
    kind = _KINDS.get(collection)
    if kind is Kind.STATISTIC and dtype_of(leaf).startswith(("int", "uint")):
        return None if np.shape(leaf) else Kind.COUNTER
    return kind
