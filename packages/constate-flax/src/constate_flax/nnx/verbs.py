"""What Flax NNX gets wrong, put right: functions for any ``nnx.Module``.

Each names the laws that it serves. What NNX does right (building without memory, moving, gradients, compiling, train
and eval mode) is not here. Modules are changed in place, as everywhere in NNX.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from constate import checkpoint
from constate.errors import Refused
from constate.refusals import matching, require_array, require_entry, require_form
from constate.state import Array
from constate_flax import arrays
from constate_flax.nnx.policies import policies
from constate_flax.nnx.state import Constant, Derived
from constate_flax.nnx.tree import M, chosen, commit, leaves, located, shared, values, values_of

_T = TypeVar("_T")


@checkpoint.progress("saving")
def save(module: nnx.Module, path: str | Path, *, derived: Any = Derived) -> None:
    """Write every entry that is not derived to one checksummed safetensors file, whole or not at all.

    Serves P02 (Orbax refuses arrays of size zero, ``safetensors.flax`` writes float8 that it cannot read), P03
    (``nnx.state`` is everything, tables that the constructor computes included) and P06 (no format of NNX's users keeps
    checksums of all that it reads).

    The file says of every entry, derived ones included, what the type of its variable tells of it, and which names are
    one variable.

    Args:
        module: any module. Entries are named by their paths with ``/`` between levels; a shared variable is written
            under each of its paths; a random key is written as its data, uint32.
        path: the file; an existing one is replaced at once and only when the new one is complete.
        derived: an NNX filter for what the constructor computes again.

    Raises:
        CheckpointError: a dtype that safetensors cannot hold, or a path that cannot be written.
    """
    found = located(module)
    saved = values_of(chosen(found, nnx.Not(derived)))
    known, further = policies(chosen(found), saved), shared(module, found, saved)
    checkpoint.save(
        path,
        _everywhere({name: arrays.as_numpy(value) for name, value in saved.items()}, further),
        entries=_everywhere(known, further),
        shared=[(name, *others) for name, others in further.items()],
    )


@checkpoint.progress("loading")
def load(
    module: M,
    path: str | Path,
    *,
    build: Callable[[], nnx.Module] | None = None,
    derived: Any = Derived,
    renamed: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> M:
    """Read a file written by ``save``: all of it, or an error and no bit changed.

    Serves P02 (a restore halves 64-bit types outside of JAX's x64 mode), P03, P04 (``nnx.update`` takes any shape and
    dtype, Orbax casts), P06, and P11 for entries that are in no file.

    Args:
        module: the target; its entries keep their devices. It may come from ``nnx.eval_shape``.
        path: the file.
        build: the module's factory. Given one, every entry that is not in the file is computed again by it.
        derived: an NNX filter for what the constructor computes again; the one that ``save`` was given.
        renamed: names that have changed since the file was written, ``{"fc/weight": "head/weight"}``, or those of
            whole levels, ``{"fc/": "head/"}``; each is logged.
        missing: kinds of which entries may be missing from the file, ``("derived", "cache")``; of a variable whose type
            is not NNX's nor constate's the file may say the kind. Such an entry is what ``build`` makes it, a cache
            empty; without ``build`` it stays as the module has it, a cache as full as it is.

    Returns:
        The module.

    Raises:
        CheckpointError: the file is damaged, or has a missing, unexpected, wrong-shape or wrong-dtype entry, or
            different bits for what is one variable; the error names each.
        UsageError: there is no kind of that name.
        Refused: an entry that is not in the file has no memory and ``build`` is not given, or ``build`` makes another
            one.
    """
    places = located(module)
    everything = values_of(chosen(places))
    targets = chosen(places, nnx.Not(derived))
    expected = {name: arrays.form(everything[name]) for name in targets}
    further = shared(module, places, targets)
    read = checkpoint.fitting(
        path,
        _everywhere(expected, further),
        entries=_everywhere(policies(chosen(places), targets), further) if missing else {},
        shared=[(name, *others) for name, others in further.items()],
        missing=missing,
        names=renamed,
    )
    found = {name: read[name] for name in targets if name in read}
    computed = {name: value for name, value in everything.items() if name not in found}
    if build is not None:
        again = values(build())
        for name, value in computed.items():
            if name not in again or arrays.plain(again[name]) != arrays.plain(value):
                made = _form(again.get(name))
                raise Refused(f"{name}: build makes {made}, expected {_form(value)}; nothing was changed")
            found[name] = arrays.to_numpy(again[name])
    for name, value in computed.items():
        if name not in found and isinstance(value, jax.ShapeDtypeStruct):
            raise Refused(
                f"{name}: not in the file and without memory; pass build=, which makes it; nothing was changed"
            )
    return commit(module, arrays.all_like(found, everything), places)


def copy(module: M) -> M:
    """A copy with memory of its own.

    Serves P07: ``nnx.clone`` makes new variables around the old arrays, so that a program that is given one module to
    reuse its memory (``donate_argnums``) destroys the other.

    Args:
        module: any module; what it shares within itself, the copy shares within itself.
    """
    with jax.enable_x64(True):  # else a copy of a 64-bit array has 32
        copied: M = nnx.clone(module, arrays=True)
        return copied


def cast(module: M, dtype: Any, *, keep: Sequence[str] = ()) -> M:
    """Cast the float entries to another float type, in place, except those that are to keep their precision.

    Serves D04 and D07: NNX has no verb for it, and ``jax.tree.map`` over the state rounds every table and statistic.

    Args:
        module: any module.
        dtype: a floating-point type, ``jnp.bfloat16``. Integers, booleans, complex entries and keys stay as they are.
        keep: patterns of canonical paths to leave alone, ``["*/inv_freq"]``; case-sensitive, ``*`` also matches ``/``.

    Returns:
        The module.

    Raises:
        Refused: the dtype is not a floating-point type, or a pattern matches no entry.
    """
    if not jnp.issubdtype(dtype, jnp.floating):
        raise Refused(f"found dtype {dtype}, expected a floating-point type; nothing was cast")
    found = values(module)
    pinned = matching(keep, found)
    follows = {n: v for n, v in found.items() if jnp.issubdtype(v.dtype, jnp.floating) and n not in pinned}
    return commit(module, {name: arrays.rounded(value, dtype) for name, value in follows.items()})


def register(
    module: M,
    name: str,
    value: Array | jax.Array,
    kind: type[nnx.Variable[Any]] = Constant,
    *,
    replace: bool = False,
) -> M:
    """Add an entry to a module that is built, without hiding anything.

    Serves N01, N02 and N03: ``module.name = variable`` replaces a parameter, a submodule or a method in silence. And
    P02: ``jnp.asarray`` halves 64-bit types outside of JAX's x64 mode, this does not.

    Args:
        module: any module; the entry is added at its root.
        name: a Python identifier that nothing of the module has.
        value: the array, of any dtype, copied bit for bit.
        kind: the type of variable, ``nnx.Param`` for one that is trained.
        replace: take the place of a variable of that name.

    Returns:
        The module.

    Raises:
        Refused: the name is taken or is no identifier.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise Refused(f"found the name {name!r}, expected a Python identifier, which can be saved and found again")
    present = vars(module).get(name)
    if isinstance(present, nnx.Variable):
        if not replace:
            raise Refused(f"{name!r} is registered; pass replace=True to replace it, or choose another name")
    elif hasattr(module, name):
        what = "submodule" if isinstance(present, nnx.Module) else "method or an attribute"
        raise Refused(f"{name!r} is a {what} of {type(module).__name__}, which an entry would hide; choose another")
    setattr(module, name, kind(arrays.from_numpy(arrays.to_numpy(value))))
    return module


def assign(module: M, path: str, value: Array | jax.Array) -> M:
    """Give an entry a new value of the same shape and dtype.

    Serves N04: ``variable[...] = value`` casts to the entry's dtype in silence, and ``variable.set_value(value)`` takes
    anything.

    Args:
        module: any module.
        path: the canonical path of an entry.
        value: an array of the entry's shape and dtype; it is put on the entry's devices.

    Returns:
        The module.

    Raises:
        Refused: there is no such entry, the value is no array, or has another shape or dtype.
    """
    found = values(module)
    require_entry(path, found)
    require_array(path, value, (np.ndarray, jax.Array))
    require_form(path, (value.shape, value.dtype), (found[path].shape, found[path].dtype))
    return commit(module, {path: arrays.like(arrays.to_numpy(value), found[path])})


def optimizer(
    module: nnx.Module, transformation: optax.GradientTransformation, *, wrt: Any = nnx.Param
) -> nnx.Optimizer[Any]:
    """An ``nnx.Optimizer`` over those of the parameters that ``wrt`` selects, and over nothing else.

    Serves G03 and G04: ``wrt=nnx.Variable`` or ``wrt=...`` hands constants and tables to the optimizer as well. Take
    the gradients by the filter of what this returns: ``nnx.grad(loss, argnums=nnx.DiffState(0, optimizer.wrt))``.

    Args:
        module: any module; its parameters are its variables of type ``nnx.Param``.
        transformation: an optax optimizer.
        wrt: an NNX filter.

    Raises:
        Refused: ``wrt`` selects no parameter.
    """
    only = nnx.All(nnx.Param, wrt)
    if not leaves(module, only):
        raise Refused(f"wrt={wrt!r} selects no nnx.Param of {type(module).__name__}; nothing would be trained")
    return nnx.Optimizer(module, transformation, wrt=only)


def _everywhere(entries: Mapping[str, _T], further: Mapping[str, Sequence[str]]) -> dict[str, _T]:
    """The same for the further paths of what is shared."""
    return {**entries, **{other: entries[name] for name, others in further.items() for other in others}}


def _form(value: Any) -> str:
    return "nothing" if value is None else f"{value.dtype}{list(value.shape)}"


__all__ = ["assign", "cast", "copy", "load", "optimizer", "register", "save"]
