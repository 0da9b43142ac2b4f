"""What Linen gets wrong, put right: functions for the ``variables`` of any ``linen.Module``.

Each names the laws that it serves. Like Linen's own they return the new state and leave the old one as it was. What
Linen does right (building, moving, copying, differentiating, compiling) is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn

from constate import checkpoint
from constate.errors import Refused
from constate.refusals import matching, require_array, require_entry, require_form
from constate.state import SEPARATOR, Kind, is_float
from constate_flax.arrays import all_like, as_numpy, form, from_numpy, like, plain, rounded, to_numpy
from constate_flax.linen.declare import COLLECTIONS, bound, declare
from constate_flax.linen.policies import policies
from constate_flax.linen.state import DERIVED
from constate_flax.linen.tree import PARAMS, Variables, dtype_of, located, put, replaced


@checkpoint.progress("saving")
def save(variables: Variables, path: str | Path, *, unsaved: Collection[str] = (DERIVED,)) -> None:
    """Write the variables to one checksummed safetensors file, whole or not at all.

    Serves P02 (msgpack, Orbax and safetensors each refuse or narrow some dtype), P03 (the documented recipe saves
    every collection) and P06 (no reader of msgpack or safetensors checks a checksum).

    The file says of every entry, those that are not saved included, what its collection tells of it.

    Args:
        variables: what ``init`` returns; entries are named by their paths without the collection.
        path: the file; an existing one is replaced at once and only when the new one is complete.
        unsaved: collections that are computed from the configuration.

    Raises:
        CheckpointError: a dtype that safetensors cannot hold, or a path that cannot be written.
    """
    entries = located(variables)
    arrays = {name: as_numpy(leaf) for name, leaf in _saved(entries, unsaved)}
    checkpoint.save(path, arrays, entries=policies(entries, unsaved))


@checkpoint.progress("loading")
def load(
    variables: Variables,
    path: str | Path,
    *,
    build: Callable[[], Variables] | None = None,
    unsaved: Collection[str] = (DERIVED,),
    renamed: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> dict[str, Any]:
    """Read a file written by ``save``: all of it, or an error.

    Serves P02 (64-bit types stay so), P04 (``from_bytes`` checks neither shapes nor dtypes and drops what it does not
    expect; Orbax casts), P06, and P11.

    Args:
        variables: the target; only its paths, shapes, dtypes and placements are used, so that it may be abstract, as
            from ``jax.eval_shape``.
        path: the file.
        build: makes the variables anew, ``lambda: module.init(key, x)``. Given it, what is not in the file is taken
            from there; else that stays as it is.
        unsaved: as for ``save``.
        renamed: names that have changed since the file was written, ``{"fc/weight": "head/weight"}``, or those of
            whole levels, ``{"fc/": "head/"}``; each is logged.
        missing: kinds of which entries may be missing from the file, ``("derived", "cache")``; of a collection that
            is not Linen's nor constate's the file may say the kind. Such an entry is what ``build`` makes it, a cache
            empty; without ``build`` it stays as the variables have it, a cache as full as it is.

    Raises:
        CheckpointError: the file is damaged, or has a missing, unexpected, wrong-shape or wrong-dtype entry; the error
            names each.
        UsageError: there is no kind of that name.
        Refused: an entry that is not in the file is abstract and there is no ``build``, or ``build`` makes it with
            another shape or not at all.
    """
    targets = located(variables)
    expected = {name: form(leaf) for name, leaf in _saved(targets, unsaved)}
    known = policies(targets, unsaved) if missing else {}
    arrays = checkpoint.fitting(path, expected, entries=known, missing=missing, names=renamed)
    computed = {name: leaf for name, (_, leaf) in targets.items() if name not in arrays}
    if computed and build is not None:
        made = located(build())
        for name, leaf in computed.items():
            if name not in made or np.shape(made[name][1]) != np.shape(leaf):
                found = f"shape {np.shape(made[name][1])}" if name in made else "no such entry"
                raise Refused(f"{name}: build made {found}, expected shape {np.shape(leaf)}; is it the same module?")
            # In the dtype of the target: a module that was cast stays so.
            arrays[name] = to_numpy(made[name][1]).astype(plain(leaf).dtype)
    elif without := [name for name, leaf in computed.items() if isinstance(leaf, jax.ShapeDtypeStruct)]:
        raise Refused(f"{', '.join(without)}: not in the file, without memory; pass build=lambda: module.init(key, x)")
    return put(variables, targets, all_like(arrays, {name: leaf for name, (_, leaf) in targets.items()}))


def cast(variables: Variables, dtype: Any, *, keep: Sequence[str] = ()) -> dict[str, Any]:
    """Cast the float entries to another float type, except those that are to keep their precision.

    Serves D04 and D07: Linen has no verb for it, and mapping ``astype`` over the variables rounds every table and
    statistic.

    Args:
        variables: of any module.
        dtype: a floating-point type; integers, bools and complex entries stay as they are.
        keep: patterns of canonical paths to leave alone, ``["*/inv_freq"]``; case-sensitive, ``*`` also matches ``/``.

    Raises:
        Refused: the dtype is not a floating-point type, or a pattern matches no entry.
    """
    wanted = np.dtype(dtype)
    if not is_float(wanted):
        raise Refused(f"found dtype {wanted}, expected a floating-point type; nothing was cast")
    found = located(variables)
    pinned = matching(keep, found)
    follows = {name: leaf for name, (_, leaf) in found.items() if name not in pinned and is_float(dtype_of(leaf))}
    return replaced(variables, {name: rounded(leaf, wanted) for name, leaf in follows.items()})


def register(
    module: nn.Module,
    variables: Variables,
    name: str,
    value: Any,
    *,
    kind: Kind = Kind.CONSTANT,
    replace: bool = False,
) -> tuple[nn.Module, dict[str, Any]]:
    """Add an entry at the root of a module, as a longer ``setup`` would, with the checks that Linen leaves out.

    Serves N01 (Linen lets a variable hide a method), N02 (it takes the empty name and one with ``/``), N03 (to replace
    on request) and P02 (``jnp.asarray`` narrows 64-bit types).

    Args:
        module: unbound, written with ``setup`` or ``@nn.compact``. It is not changed.
        variables: its state.
        name: of the new entry.
        value: an array; its bits are kept.
        kind: decides the collection: ``params``, ``batch_stats``, ``cache``, ``constants`` or ``derived``.
        replace: whether an entry of this name and collection may be replaced.

    Returns:
        A module that declares the entry, and its variables.

    Raises:
        Refused: the name is illegal, or taken.
    """
    if not isinstance(name, str) or not name or SEPARATOR in name:
        raise Refused(f"found the name {name!r}, expected a string that is not empty and has no {SEPARATOR!r} in it")
    collection = COLLECTIONS[kind]
    declared = variables.get(collection, {})
    if name in declared and not isinstance(declared[name], Mapping):
        if not replace:
            raise Refused(f"{name!r} is registered; pass replace=True to replace it, or choose another name")
    elif any(name in tree for tree in variables.values()) or name in dir(bound(module, variables)):
        raise Refused(f"{name!r} is taken in {type(module).__name__}: by an entry, a submodule or an attribute")
    else:
        module = declare(module, collection, name, np.array(value), from_numpy)
    return module, {**variables, collection: {**declared, name: from_numpy(np.array(value))}}


def assign(variables: Variables, path: str, value: Any) -> dict[str, Any]:
    """Give an entry a new value of the same shape and dtype, where the old one is.

    Serves N04: ``apply`` takes whatever stands in the variables, except a parameter of another shape.

    Args:
        variables: of any module.
        path: the canonical path, ``query/kernel``.
        value: a NumPy or JAX array.

    Raises:
        Refused: there is no such entry, the value is no array, or has another shape or dtype.
    """
    found = located(variables)
    require_entry(path, found)
    require_array(path, value, (np.ndarray, jax.Array))
    old = found[path][1]
    require_form(path, (value.shape, str(value.dtype)), (np.shape(old), dtype_of(old)))
    return replaced(variables, {path: like(to_numpy(value), old)})


class Optimizer:
    """An Optax transformation that trains ``params`` and nothing else, also when it is handed all of ``variables``.

    Serves G03 and G04: Optax trains every leaf of the tree that it is given, and ``init`` returns constants and
    statistics in the same dictionary as the parameters.
    """

    def __init__(self, transformation: optax.GradientTransformation) -> None:
        self._transformation = transformation

    def init(self, variables: Variables) -> optax.OptState:
        """Slots for the parameters."""
        return self._transformation.init(variables.get(PARAMS, {}))

    def step(
        self, variables: Variables, gradients: Variables, state: optax.OptState
    ) -> tuple[dict[str, Any], optax.OptState]:
        """The variables after one step, every other collection the very same arrays, and the new slots.

        Args:
            variables: all collections.
            gradients: a tree like ``variables`` of which only ``params`` is looked at.
            state: from ``init`` or the step before.
        """
        params = variables.get(PARAMS, {})
        updates, state = self._transformation.update(gradients.get(PARAMS, {}), state, params)
        return {**variables, PARAMS: optax.apply_updates(params, updates)}, state


def _saved(entries: Mapping[str, tuple[str, Any]], unsaved: Collection[str]) -> Iterator[tuple[str, Any]]:
    return ((name, leaf) for name, (collection, leaf) in entries.items() if collection not in unsaved)


__all__ = ["Optimizer", "assign", "cast", "load", "register", "save"]
