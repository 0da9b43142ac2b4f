"""What an audit does with modules that are pytrees, and what is common to everything built on JAX."""

from constate_jax.auditing.pytrees import Pytrees

__all__ = ["Pytrees"]
