"""What TensorFlow gets wrong or has no verb for, put right: functions for any ``tf.Module``.

Each names the laws that it serves. What TensorFlow does right (listing, gradients, compiling, pickling) is not here.

A ``tf.Variable`` keeps its dtype and its device for life, so that ``cast``, ``move`` and ``allocate`` return
another module with other variables and leave the given one as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from constate import checkpoint
from constate.errors import Refused, first_line
from constate.refusals import matching, require_array, require_entry, require_form
from constate_tensorflow.arrays import assign as give
from constate_tensorflow.arrays import is_plain, read
from constate_tensorflow.policies import one_array, policies
from constate_tensorflow.tree import held, is_array, persistent, places, rebuilt, remade, tracked


@checkpoint.progress("saving")
def save(module: tf.Module, path: str | Path) -> None:
    """Write every variable that the module tracks to one checksummed safetensors file, whole or not at all.

    Serves P02 (0-d and float8 variables, which ``safetensors.tensorflow`` refuses) and P06 (safetensors has no
    checksum, and ``tf.train.Checkpoint`` none of the footer of its index).

    The file says what is trained, what is the state of a random generator, which entries are not saved, and which names
    are one variable.

    Args:
        module: any module; entries are named by attributes with ``/`` between levels, ``layers/0/kernel``; a variable
            that is shared is written under each of its paths.
        path: the file; an existing one is replaced at once and only when the new one is complete.

    Raises:
        CheckpointError: a dtype that safetensors cannot hold, or a path that cannot be written.
        Refused: the module has state in a hash table or a data set's iterator.
    """
    found = places(module, complete=True)
    values = read(tracked(found).values())
    arrays = {name: values[id(place.array)] for name, place in found.items() if place.tracked}
    checkpoint.save(path, arrays, entries=policies(found), shared=one_array(found))


@checkpoint.progress("loading")
def load(
    module: tf.Module,
    path: str | Path,
    *,
    build: Callable[[], tf.Module] | None = None,
    renamed: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> None:
    """Read a file written by ``save``: all of it, or an error and no bit changed.

    Serves P04 (a loop over what ``safetensors.tensorflow`` read takes no notice of an unexpected entry), P05
    (``tf.train.Checkpoint`` assigns what fits before ``assert_consumed`` raises), P06 and P11.

    Args:
        module: the target; its entries keep their device.
        path: the file.
        build: the module's factory. Given one, every entry that the file does not hold (a tensor on an attribute, a
            variable that is not tracked) is computed again by it.
        renamed: names that have changed since the file was written, ``{"fc/weight": "head/weight"}``, or those of
            whole levels, ``{"fc/": "head/"}``; each is logged.
        missing: kinds of which entries may be missing from the file, ``("derived", "cache")``; where TensorFlow does
            not know the kind of a variable, the file may say it. Such an entry is what ``build`` makes it, a cache
            empty; without ``build`` it stays as the module has it, a cache as full as it is.

    Raises:
        CheckpointError: the file is damaged, or has a missing, unexpected, wrong-shape or wrong-dtype entry, or
            different bits for what is one variable; the error names each.
        UsageError: there is no kind of that name.
        Refused: the factory makes an entry of another shape than the module has, or not at all; the module has state
            in a hash table or a data set's iterator; a variable refuses its value.
    """
    found = places(module, complete=True)
    targets = tracked(found)
    forms = {id(variable): (_shape(variable), variable.dtype.name) for variable in targets.values()}
    expected = {name: forms[id(place.array)] for name, place in found.items() if place.tracked}
    shared, known = one_array(found), policies(found) if missing else {}
    given = checkpoint.fitting(path, expected, entries=known, shared=shared, missing=missing, names=renamed)
    arrays = {name: given[name] for name in targets if name in given}
    computed = {} if build is None else places(build())
    absent = targets.keys() - arrays.keys()
    again = found.items() if build is not None else ()
    derived = {name: place for name, place in again if not place.tracked or name in absent}
    for name, place in derived.items():
        if name not in computed or computed[name].array.shape != place.array.shape:
            made = computed[name].array.shape if name in computed else "no such entry"
            raise Refused(
                f"{name}: the factory makes {made}, the module has {place.array.shape}; "
                "nothing was changed, pass the factory that made the module"
            )
    # A plain variable takes a value of its own shape and dtype, so that its old one need not be kept: where Python is
    # interrupted meanwhile, the rest is assigned before the interruption goes on.
    rest = {name: (targets[name], array) for name, array in arrays.items() if is_plain(targets[name])}
    waiting = [name for name in arrays if name not in rest]
    before: list[tuple[Callable[[Any], Any], Any]] = []
    try:
        for name, place in derived.items():
            with tf.device(place.array.device):
                value = tf.cast(computed[name].array, place.array.dtype)
            if isinstance(place.array, tf.Variable):
                before.append((place.array.assign, place.array.numpy()))
                place.array.assign(value)
            else:
                before.append((partial(setattr, place.owner, place.name), place.array))
                setattr(place.owner, place.name, value)
        for name in waiting:
            before.append((targets[name].assign, targets[name].numpy()))
            targets[name].assign(arrays[name])
    except BaseException as error:
        for put, old in reversed(before):
            with suppress(Exception):  # the one that has just raised will do so again
                put(old)
        if isinstance(error, Exception):
            raise Refused(f"{name}: {first_line(error)}; nothing was changed") from error
        raise
    try:
        give(rest.values())
    except BaseException:
        give(rest.values())
        raise


def _shape(variable: tf.Variable) -> tuple[int, ...]:
    """The shape of the value, which the variable may leave open."""
    shape = variable.shape
    sizes = [None] if shape.rank is None else shape.as_list()
    return tuple(variable.read_value().shape if None in sizes else sizes)


def abstract(build: Callable[[], tf.Module]) -> tf.Module:
    """The module as its factory makes it, with shapes and dtypes and without memory, for ``allocate``.

    Serves P11: a ``tf.Variable`` takes memory when it is made. Here it is made in a ``tf.Graph``, where it is a node.

    Args:
        build: the module's factory; it must not ask for values (``.numpy()``), which a graph does not have.
    """
    with tf.Graph().as_default():
        return build()


def allocate(module: tf.Module, *, device: str | None = None) -> tf.Module:
    """An abstract module with memory: tracked variables of zeros, to be loaded; tensors and variables that are not
    tracked are computed from the configuration.

    Serves P11.

    Args:
        module: what ``abstract`` returned.
        device: ``"CPU:1"``; by default TensorFlow's choice.

    Raises:
        Refused: something was computed from a variable, which has no value yet.
    """
    loaded = {id(variable) for variable in persistent(module).values()}

    def make(array: Any) -> Any:
        if id(array) in loaded:
            with array.graph.as_default():
                shape = array.shape if array.shape.is_fully_defined() else array.initial_value.shape
            return remade(array, tf.zeros(shape, array.dtype))
        variable = isinstance(array, tf.Variable)
        with array.graph.as_default() if variable else nullcontext():  # where a variable knows its initial value
            value = array.initial_value if variable else array
        if tf.is_symbolic_tensor(value):
            try:
                value = tf.compat.v1.Session(graph=value.graph).run(value)
            except tf.errors.FailedPreconditionError as error:
                path = next(path for path, other in held(module) if other is array)
                advice = "build it with memory"
                raise Refused(f"{path}: computed from a variable, which has no value yet; {advice}") from error
        return remade(array, value) if variable else tf.constant(value)

    with tf.device(device):
        return rebuilt(module, make)


def materialise(build: Callable[[], tf.Module], path: str | Path, *, device: str | None = None) -> tf.Module:
    """A module built without memory, put on a device and filled from a file, entries that are not saved included.

    Serves P11.

    Args:
        build: the module's factory; called once.
        path: a file written by ``save``.
        device: ``"CPU:1"``; by default TensorFlow's choice.

    Raises:
        CheckpointError: as ``load`` does.
        Refused: as ``allocate`` does.
    """
    module = allocate(abstract(build), device=device)
    load(module, path)
    return module


def move(module: tf.Module, device: str) -> tf.Module:
    """The module on another device: every variable and tensor of it, wherever it is kept.

    Serves D01 and D02: TensorFlow has no such verb. To make the module again there and assign gives the new one only
    what its constructor makes.

    Args:
        module: any module; not changed.
        device: ``"CPU:1"``, ``"GPU:0"``.
    """

    def make(array: Any) -> Any:
        return remade(array, array.read_value()) if isinstance(array, tf.Variable) else tf.identity(array)

    with tf.device(device):
        return rebuilt(module, make)


def cast(module: tf.Module, dtype: tf.DType, *, keep: Sequence[str] = ()) -> tf.Module:
    """The module with its float entries in another float type, except those that are to keep their precision.

    Serves D04 and D07: TensorFlow has no such verb.

    Args:
        module: any module; not changed.
        dtype: a floating-point type.
        keep: patterns of canonical paths to leave alone, ``["*/inv_freq"]``; case-sensitive, ``*`` also matches ``/``.

    Raises:
        Refused: the dtype is not a floating-point type, a pattern matches no entry, or a weight belongs to a Keras
            layer, which makes its weights in the dtype of its policy.
    """
    dtype = tf.as_dtype(dtype)
    if not dtype.is_floating:
        raise Refused(f"found dtype {dtype.name}, expected a floating-point type; nothing was cast")
    found = places(module)
    pinned = {id(found[name].array) for name in matching(keep, found)}

    def follows(array: Any) -> bool:
        return bool(array.dtype.is_floating) and id(array) not in pinned

    def make(array: Any) -> Any:
        with tf.device(array.device):
            value = tf.cast(array, dtype if follows(array) else array.dtype)
            return remade(array, value) if isinstance(array, tf.Variable) else value

    made = rebuilt(module, make)
    for name, place in places(made).items():
        if follows(found[name].array) and place.array.dtype != dtype:
            raise Refused(f"{name}: belongs to a Keras layer, which keeps its dtype; make it with dtype={dtype.name!r}")
    return made


def copy(module: tf.Module) -> tf.Module:
    """A copy of the module that shares no memory with it, on the same devices.

    Serves P07: ``copy.deepcopy`` gives both modules one tensor, and puts the variables on the default device.
    """

    def make(array: Any) -> Any:
        with tf.device(array.device):
            value = tf.constant(array.numpy())
            return remade(array, value) if isinstance(array, tf.Variable) else value

    return rebuilt(module, make)


def register(module: tf.Module, name: str, value: Any, *, replace: bool = False) -> None:
    """``setattr`` of an entry that hides nothing and replaces only what it is asked to replace.

    Serves N01, N02 and N03: ``setattr`` takes any name.

    Args:
        module: any module.
        name: the attribute.
        value: a ``tf.Variable``, which is saved, or a ``tf.Tensor``, which is not.
        replace: put it in the place of the variable or tensor of that name.

    Raises:
        Refused: the name is no string, is empty, has a ``/`` in it or is taken, or the value is no variable or tensor;
            nothing was changed.
    """
    if not isinstance(name, str) or not name or "/" in name:
        raise Refused(f"found the name {name!r}, expected a string, not empty, without '/', the path separator")
    if not is_array(value):
        raise Refused(f"{name}: found {type(value).__name__}, expected a tf.Variable or a tf.Tensor")
    if hasattr(module, name):
        if not is_array(vars(module).get(name)):
            raise Refused(f"{name!r} is the name of something else in {type(module).__name__}; choose another name")
        if not replace:
            raise Refused(f"{name!r} is registered; pass replace=True to replace it, or choose another name")
        delattr(module, name)  # else a checkpoint goes on with a variable whose attribute is now a tensor
    setattr(module, name, value)


def assign(module: tf.Module, path: str, value: Any) -> None:
    """Give an entry new values of the same shape and dtype.

    Serves N04: ``Variable.assign`` converts a NumPy array of another dtype, and an attribute that is a tensor takes
    anything.

    Args:
        module: any module.
        path: the canonical path of a variable or tensor.
        value: a tensor, variable or NumPy array of the entry's shape and dtype.

    Raises:
        Refused: there is no such entry, the value is no array, or has another shape or dtype.
    """
    found = places(module)
    require_entry(path, found)
    require_array(path, value, (tf.Tensor, tf.Variable, np.ndarray))
    place = found[path]
    expected = place.array.shape, place.array.dtype.name
    require_form(path, (value.shape, tf.as_dtype(value.dtype).name), expected)
    if isinstance(place.array, tf.Variable):
        place.array.assign(value)
    else:
        with tf.device(place.array.device):
            setattr(place.owner, place.name, tf.convert_to_tensor(value))


def apply_gradients(optimizer: Any, gradients_and_variables: Iterable[tuple[Any, Any]]) -> None:
    """``optimizer.apply_gradients`` for the trainable ones among the variables, and for nothing else.

    Serves G04: a Keras optimizer makes its slots for every variable of the first call, trainable or not.

    Args:
        optimizer: a Keras optimizer.
        gradients_and_variables: pairs, as for ``optimizer.apply_gradients``.
    """
    optimizer.apply_gradients([pair for pair in gradients_and_variables if pair[1].trainable])


__all__ = [
    "abstract", "allocate", "apply_gradients", "assign", "cast", "copy", "load", "materialise", "move", "register",
    "save",
]  # fmt: skip
