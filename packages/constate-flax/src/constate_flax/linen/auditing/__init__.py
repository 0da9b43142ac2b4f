"""What an audit does with any ``linen.Module``."""

from constate_flax.linen.auditing.instruments import Linen

__all__ = ["Linen"]
