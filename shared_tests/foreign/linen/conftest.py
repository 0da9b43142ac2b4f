"""Several devices, which are made before a module of tests starts JAX."""

from __future__ import annotations

from constate_flax.arrays import split_host

split_host()
