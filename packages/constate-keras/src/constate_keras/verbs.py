"""What Keras gets wrong, put right: functions for any built ``keras.Model`` or layer, on any Keras backend.

Each names the laws that it serves. What Keras does right (copying, moving, casting by a dtype policy, compiling,
freezing, listing) is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np

from constate import checkpoint
from constate.errors import Refused, first_line
from constate.refusals import require_array, require_entry, require_form
from constate.state import Array, Kind, name_of, same_bits
from constate_keras import many
from constate_keras.policies import one_array, policies
from constate_keras.rebuilding import extended
from constate_keras.walk import layers, own_variables, persistent, root, saved, variables


@checkpoint.progress("saving")
def save(model: keras.Layer, path: str | Path) -> None:
    """Write every variable that Keras saves, and the state of every seed generator, to one checksummed safetensors
    file, whole or not at all.

    Serves P02 (``.weights.h5`` and ``.keras`` files cannot hold float8) and P06 (HDF5 keeps no checksum unless asked
    for one, so that a damaged ``.weights.h5`` file is loaded).

    The file says what is trained, which weights of Keras' own layers are statistics, what is the state of a generator,
    which entries are not saved, and which are one variable.

    Args:
        model: any built model or layer; entries are named by their canonical paths.
        path: the file; an existing one is replaced at once and only when the new one is complete.

    Raises:
        CheckpointError: a dtype that safetensors cannot hold, or a path that cannot be written.
        Refused: the model is no layer or not built, or a layer has adapted to data and keeps what it learned elsewhere
            than in variables, as ``StringLookup`` does.
    """
    _require_variables(model)
    everything = variables(model)
    saved = persistent(model, everything)
    values = many.read(list(saved.values()), many.plain(saved.values()))
    arrays = {name: values[id(variable)] for name, variable in saved.items()}
    checkpoint.save(path, arrays, entries=policies(model, everything, saved), shared=one_array(saved))


@checkpoint.progress("loading")
def load(
    model: keras.Layer,
    path: str | Path,
    *,
    build: Callable[[], keras.Layer] | None = None,
    renamed: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> None:
    """Read a file written by ``save``: all of it, or an error and no bit changed.

    Serves P04 (``load_weights`` goes by position, casts another dtype in silence, and names no unexpected entry), P05
    (it assigns what fits before it raises), P06, and P11.

    Args:
        model: the target; its variables keep their device.
        path: the file.
        build: makes a built model like this one. Given one, every variable that is not in the file is computed again
            by it.
        renamed: names that have changed since the file was written, ``{"fc/weight": "head/weight"}``, or those of
            whole levels, ``{"fc/": "head/"}``; each is logged.
        missing: kinds of which entries may be missing from the file, ``("derived", "cache")``; where Keras does not
            know the kind of a variable, the file may say it. Such an entry is what ``build`` makes it, a cache empty;
            without ``build`` it stays as the model has it, a cache as full as it is.

    Raises:
        CheckpointError: the file is damaged, or has a missing, unexpected, wrong-shape or wrong-dtype entry, or
            different bits for what is one variable; the error names each.
        UsageError: there is no kind of that name.
        Refused: as ``save`` does; ``build`` does not make a variable that it shall make; a variable refuses its value.
    """
    _require_variables(model)
    everything = variables(model)
    targets = persistent(model, everything)
    plain = many.plain(everything.values())
    expected = many.forms(targets, plain)
    shared, known = one_array(targets), policies(model, everything, targets) if missing else {}
    arrays = checkpoint.fitting(path, expected, entries=known, shared=shared, missing=missing, names=renamed)
    recomputed = {} if build is None else variables(build())
    for name in everything.keys() - arrays.keys() if build is not None else ():
        made = tuple(recomputed[name].shape) if name in recomputed else "no such variable"
        if made != tuple(everything[name].shape):
            raise Refused(f"{name}: build makes {made}, expected {everything[name].shape}; nothing was changed")
        arrays[name] = many.read([recomputed[name]], {})[id(recomputed[name])]
    _put(model, everything, arrays, plain)


def abstract(build: Callable[[], keras.Model]) -> keras.Model:
    """A model whose variables have shapes and dtypes and no memory yet.

    Serves P11. Keras gives the variables memory at ``allocate``, or as soon as another model is built.

    Args:
        build: makes a built model. Its variables must be made from an initializer, as ``add_weight`` makes them.

    Raises:
        ValueError: a variable is made from a value.
    """
    with keras.StatelessScope(initialize_variables=False):
        return build()


def allocate(model: keras.Model, *, device: str | None = None) -> keras.Model:
    """Give an abstract model memory on a device, with initial values.

    Serves P11. Whatever other abstract models there are get memory at the same time.
    """
    with keras.device(device) if device else nullcontext(), keras.StatelessScope():
        return model


def materialise(build: Callable[[], keras.Model], path: str | Path, *, device: str | None = None) -> keras.Model:
    """A model built without memory, put on a device and filled from a file, variables that are not saved included.

    Serves P11.

    Args:
        build: makes a built model; called once.
        path: a file written by ``save``.
        device: where the model shall be, as in ``keras.device``.

    Raises:
        CheckpointError: as ``load`` does.
    """
    model = allocate(abstract(build), device=device)
    load(model, path)
    return model


def trainable(listing: Iterable[keras.Variable]) -> list[keras.Variable]:
    """Those variables of a listing that an optimizer may have.

    Serves G04: an optimizer that is built with ``model.variables`` or ``model.weights`` keeps slots for every constant
    in them. ``listing = trainable(model.variables)``, then ``optimizer.apply(tape.gradient(loss, listing), listing)``.
    """
    return [variable for variable in listing if variable.trainable]


def register(
    model: keras.Model,
    name: str,
    value: Any,
    *,
    trainable: bool = False,
    persistent: bool = True,
    replace: bool = False,
) -> keras.Model:
    """A model with one more weight at its root, with the values of the old one.

    Serves N01 (``self.name = self.add_weight(...)`` replaces an attribute, a weight, a sublayer or a method in
    silence), N02 (an empty name becomes ``variable_12``) and N03.

    Args:
        model: a built model whose layers can be made again from their configuration. A functional or sequential model
            of several layers gets the weight itself and can then not be copied by Keras; any other stays as it is, and
            the model that is returned can be copied, but its pickle is read in this process only.
        name: the weight's name, and the attribute of the layer.
        value: an array; the weight has its shape and dtype.
        trainable: whether the weight is trained.
        persistent: whether the weight is saved.
        replace: whether to replace a weight of that name.

    Raises:
        Refused: the name is not a string, is empty, has ``/`` in it, or is taken; or the layer's own way of saving
            leaves out what it does not know, as that of ``keras.layers.Dense`` does.
    """
    if not isinstance(name, str) or not name or "/" in name:
        raise Refused(f"found the name {name!r}, expected a string, not empty and without '/'")
    base = root(model)
    if isinstance(getattr(base, name, None), keras.Variable):
        if not replace:
            raise Refused(f"{name!r} is registered; pass replace=True to replace it, or choose another name")
    elif hasattr(base, name) or any(path.split("/")[0] == name for path in variables(model)):
        raise Refused(f"{name!r} is taken: {type(base).__name__} has it already; choose another name")
    kind = Kind.PARAMETER if trainable else Kind.CONSTANT if persistent else Kind.DERIVED
    made = extended(model, name, keras.ops.convert_to_numpy(value), kind, replace)
    if persistent and not any(variable.name == name for variable in saved(root(made))):
        raise Refused(f"{name!r} would not be saved: {type(base).__name__} saves only weights that it knows by name")
    return made


def assign(model: keras.Layer, path: str, value: Any) -> None:
    """Give an entry new values of the same shape and dtype, in place.

    Serves N04: ``variable.assign`` casts a value of any other dtype in silence.

    Args:
        model: any built model or layer.
        path: the canonical path of a variable.
        value: an array or a tensor of the entry's shape and dtype; its device may differ.

    Raises:
        Refused: there is no such entry, the value is no array, or has another shape or dtype.
    """
    found = variables(model)
    require_entry(path, found)
    if not keras.ops.is_tensor(value):
        require_array(path, value, (np.ndarray, keras.Variable))
    target = found[path]
    dtype = keras.backend.standardize_dtype(value.dtype)
    require_form(path, (value.shape, dtype), (target.shape, target.dtype))
    _put(model, found, {path: np.asarray(keras.ops.convert_to_numpy(value))}, many.plain([target]))


def _put(
    model: keras.Layer, targets: Mapping[str, keras.Variable], values: Mapping[str, Array], plain: many.Plain
) -> None:
    """Give variables values, or raise with every bit as it was."""
    given: dict[int, Array] = {}
    for name, value in values.items():
        first = given.setdefault(id(targets[name]), value)
        if first is not value and not same_bits(first, value):
            raise Refused(f"{name}: is shared, and other values are given for it elsewhere; nothing was changed")
    # A plain variable takes a value of its own dtype, so that its old one need not be kept, unless a layer computes
    # something of it, which may fail: where Python is interrupted meanwhile, the rest is assigned before the
    # interruption goes on.
    rest, waiting, computing = list[tuple[keras.Variable, Array]](), list[str](), _computing(model)
    for name, value in values.items():
        inner = plain.get(id(targets[name]))
        if inner is not None and name_of(value.dtype) == inner.dtype.name:
            rest.append((targets[name], value))
        else:
            waiting.append(name)
    kept = [targets[name] for name in (values if computing else waiting)]
    before = many.read(kept, plain)
    try:
        for name in waiting:
            targets[name].assign(values[name])
        if computing:
            many.assign(rest, plain)
        for layer in computing:
            name = layer.name
            layer.finalize_state()
    except BaseException as error:
        for variable in kept:
            with suppress(Exception):  # the one that has just raised will do so again
                variable.assign(before[id(variable)])
        for layer in computing:
            with suppress(Exception):
                layer.finalize_state()
        if isinstance(error, Exception):
            raise Refused(f"{name}: {first_line(error)}; nothing was changed") from error
        raise
    if not computing:
        try:
            many.assign(rest, plain)
        except BaseException:
            many.assign(rest, plain)
            raise


def _computing(model: keras.Layer) -> list[keras.Layer]:
    """The layers that compute something from their variables, as ``Normalization`` from its mean."""
    return [layer for layer in layers(model) if own_variables(layer) and hasattr(layer, "finalize_state")]


def _require_variables(model: keras.Layer) -> None:
    """Raise ``Refused`` unless all that the model has learned is in variables."""
    if not isinstance(model, keras.Layer):
        raise Refused(f"found {type(model).__name__}, expected a keras.Layer; nothing was changed")
    for layer in layers(model):
        # Each is None where the constructor was given what adapt would have found.
        adapted = hasattr(layer, "input_vocabulary") and layer.input_vocabulary is None
        if adapted or (isinstance(layer, keras.layers.Discretization) and layer.num_bins is not None):
            raise Refused(
                f"{layer.name}: found a {type(layer).__name__} that keeps what it adapted to in no variable, expected "
                "one that has it from its constructor (vocabulary=, bin_boundaries=); nothing was changed"
            )
    if not model.built:
        raise Refused(f"{model.name}: is not built and has no variables yet; call it once; nothing was changed")


__all__ = ["abstract", "allocate", "assign", "load", "materialise", "register", "save", "trainable"]
