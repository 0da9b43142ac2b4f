"""What an audit does with any ``nnx.Module``."""

from constate_flax.nnx.auditing.instruments import NNX

__all__ = ["NNX"]
