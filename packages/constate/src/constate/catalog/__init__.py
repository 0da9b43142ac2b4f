"""The modules that every backend writes: configuration, declared entries, reference, citation."""

from __future__ import annotations

from constate.catalog.batch_norm import BatchNorm
from constate.catalog.causal_attention import CausalAttention
from constate.catalog.frozen_linear import FrozenLinear
from constate.catalog.input_normalizer import InputNormalizer
from constate.catalog.positional_encoding import PositionalEncoding
from constate.catalog.reference import Reference, State
from constate.catalog.rotary_embedding import RotaryEmbedding
from constate.errors import UsageError, nearest

CATALOG: dict[str, type[Reference]] = {
    cls.name: cls
    for cls in (PositionalEncoding, BatchNorm, CausalAttention, FrozenLinear, InputNormalizer, RotaryEmbedding)
}

__all__ = ["CATALOG", "Reference", "State", "get_reference"]


def get_reference(name: str) -> Reference:
    """The catalogue module of that name in its test size. Raises ``UsageError`` for an unknown name."""
    if name not in CATALOG:
        raise UsageError(f"unknown module {name!r}{nearest(name, CATALOG)}")
    return CATALOG[name]()
