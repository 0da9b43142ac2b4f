"""How layers of Flax are called: what goes in, what comes out, and in which precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from constate.porting.layering import Called, Moments, moments
from constate_jax.arrays import to_numpy
from constate_jax.auditing.outputs import arrays_in


def noted(
    found: list[Called], path: str, cell: bool, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a layer and note it, before whatever it calls itself.

    Args:
        found: where it is noted.
        path: of the layer.
        cell: whether it is one step of a recurrent layer, which takes and gives what it carries, and then the rest.
        call: the layer.
        args: what it is called with.
        kwargs: by name.
    """
    place = len(found)
    taken = list(arrays_in((args, kwargs)).values())
    first = (taken[-1] if cell else taken[0]) if taken else None
    shape = () if first is None else tuple(first.shape)
    noted = Called(path, shape, _moments(first), None)
    found.append(noted)
    given = call(*args, **kwargs)
    outputs = list(arrays_in(given).values())
    # A layer that gives what it carried too gives that without the axis of time.
    last = outputs[-1] if cell and outputs else max(outputs, key=np.ndim, default=None)
    found[place] = Called(path, shape, noted.taken, _moments(last))
    return given


PRECISIONS = ("dtype", "param_dtype")
"""The names by which layers of Flax say in which type they compute, and begin what they carry."""
RATES = ("rate", "dropout_rate")
"""The names by which they say how much they drop."""


def of_flax(module: Any) -> bool:
    """Whether it is a layer that Flax brings with it, and no author's."""
    return type(module).__module__.startswith("flax.")


def in_float64(module: Any) -> list[str]:
    """What has to be float64 in a layer of Flax, so that it computes in that."""
    found = vars(module) if of_flax(module) else {}
    return [name for name in PRECISIONS if found.get(name) is not None and jnp.issubdtype(found[name], jnp.floating)]


def drops(module: Any) -> list[str]:
    """What has to be zero in a layer of Flax, so that nothing is dropped."""
    return [name for name in RATES if of_flax(module) and isinstance(vars(module).get(name), float)]


def _moments(array: Any) -> Moments | None:
    return None if array is None or isinstance(array, jax.core.Tracer) else moments(to_numpy(array))
