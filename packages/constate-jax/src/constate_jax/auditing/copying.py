"""Copies of a module by the ways of Python."""

from __future__ import annotations

import copy
import io
import pickle
from types import FunctionType
from typing import Any

import jax

from constate.errors import Unsupported
from constate_jax.arrays import is_key, to_numpy
from constate_jax.auditing.leaves import place_of

FRAMEWORKS = frozenset({"jax", "flax", "optax", "equinox"})


def copied(item: Any, how: str) -> Any:
    """A copy of anything.

    Raises:
        Unsupported: it holds a function of a framework, such as an initialiser, that pickle cannot find by its name,
            which is no fault of the author's.
    """
    if how == "deepcopy":
        # Copies of JAX arrays are JAX's own affair, and are compiled for each shape: they are made beforehand.
        arrays = [leaf for leaf in jax.tree.leaves(item) if isinstance(leaf, jax.Array) and not is_key(leaf)]
        return copy.deepcopy(item, {id(a): jax.device_put(to_numpy(a), place_of(a)) for a in arrays})
    written = io.BytesIO()
    _Pickler(written).dump(item)
    return pickle.loads(written.getvalue())


class _Pickler(pickle.Pickler):
    def reducer_override(self, item: Any) -> Any:
        """Refuse functions that a framework makes within a function, as it does initialisers; leave the rest to
        pickle."""
        made = isinstance(item, FunctionType) and "<locals>" in item.__qualname__
        if made and str(item.__module__).partition(".")[0] in FRAMEWORKS:
            raise Unsupported(f"{item.__module__}.{item.__qualname__} cannot be pickled")
        return NotImplemented
