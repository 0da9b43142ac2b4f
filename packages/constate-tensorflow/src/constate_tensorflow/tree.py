"""Where a module keeps its arrays: the paths are those that ``tf.train.Checkpoint`` writes."""

from __future__ import annotations

import copy
import gc
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import ResourceVariable

from constate.errors import Refused
from constate.reach import arrays_within

TensorOrVariable: TypeAlias = Any
"""A ``tf.Tensor`` or a ``tf.Variable``: TensorFlow ships no types."""

_HANDLES = frozenset((tf.resource, tf.variant))
_PROGRAM = type(tf.function(lambda: None))


class Place(NamedTuple):
    """Where an array is kept."""

    array: TensorOrVariable
    owner: Any
    name: str
    tracked: bool
    """Whether ``tf.train.Checkpoint`` follows the attribute."""


def is_array(item: object) -> bool:
    """Whether it is a tensor or a variable with numbers in it: the handle of a table or a data set has none."""
    return isinstance(item, (tf.Tensor, tf.Variable)) and item.dtype not in _HANDLES


def places(module: Any, *, complete: bool = False) -> dict[str, Place]:
    """Every variable that the module tracks, by attributes, lists and dicts, and every tensor or untracked variable
    that is an attribute of a module, by path, nearest to the root first. An array that is shared has several paths.

    Args:
        module: any module.
        complete: refuse state that is in no variable, as ``require_variables`` does.
    """
    found: dict[str, Place] = {}
    waiting: deque[tuple[str, Any, tuple[int, ...]]] = deque([("", module, (id(module),))])
    while waiting:
        path, item, above = waiting.popleft()
        if complete:
            _require_variables(item)
        children = dict(tf.train.TrackableView.children(item))
        own = vars(item).items() if isinstance(item, tf.Module) else ()
        untracked = {name: value for name, value in own if value is not children.get(name) and is_array(value)}
        for name, child in {**children, **untracked}.items():
            inner = f"{path}{name}"
            array = child.value if type(child) is not ResourceVariable and _is_keras_weight(child) else child
            if is_array(array):
                place = Place(array, item, name, name not in untracked)
                if found.setdefault(inner, place).array is not array:
                    raise Refused(f"{inner}: found two entries of this path; choose keys without '/'")
            elif id(child) not in above:
                waiting.append((f"{inner}/", child, (*above, id(child))))
    return found


def _is_keras_weight(item: object) -> bool:
    """Whether it is Keras' wrapper around a variable, without importing Keras."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(item, keras.Variable)


def require_variables(module: Any) -> None:
    """Raise ``Refused`` if the module has state that changes and that is in no variable, as that of a hash table."""
    for item in tf.train.TrackableView(module).descendants():
        _require_variables(item)


def _require_variables(item: Any) -> None:
    """The same of one thing, without what it holds."""
    saves = type(item)._serialize_to_tensors is not tf.Module._serialize_to_tensors
    if saves and not isinstance(item, tf.Variable) and not _is_keras_weight(item):
        what = type(item).__name__
        raise Refused(f"found a {what}, whose state is in no variable; keep it elsewhere; nothing was changed")


def held(module: Any) -> Iterator[tuple[str, TensorOrVariable]]:
    """Every array that the module holds, wherever it keeps it, with a path such as ``cache['key'][0]``."""
    for path, array in arrays_within(module, is_array):
        yield _public(path), array


def _public(path: str) -> str:
    """The path as a user writes it."""
    return re.sub(r"_self_unconditional_dependency_names\['(.*?)'\]", r"\1", path)


def replicas(array: TensorOrVariable) -> tuple[TensorOrVariable, ...]:
    """The variables of all replicas for one that was made in the scope of a ``tf.distribute`` strategy; else itself."""
    return tuple(array.values) if isinstance(array, tf.distribute.DistributedValues) else (array,)


def device_of(array: TensorOrVariable) -> str:
    """``CPU:1``; ``graph`` for an array in a graph, which has no memory."""
    array = replicas(array)[0]
    if not tf.is_symbolic_tensor(array.handle if isinstance(array, tf.Variable) else array):
        spec = tf.DeviceSpec.from_string(array.device)
        return f"{spec.device_type}:{spec.device_index}"
    return "graph"


def persistent(module: Any) -> dict[str, TensorOrVariable]:
    """What ``tf.train.Checkpoint`` would save, by path; a shared variable once, under its first path."""
    return tracked(places(module))


def tracked(found: Mapping[str, Place]) -> dict[str, TensorOrVariable]:
    """The same, of what ``places`` has found."""
    seen: set[int] = set()
    once: dict[str, TensorOrVariable] = {}
    for path, place in found.items():
        if place.tracked and id(place.array) not in seen:
            seen.add(id(place.array))
            once[path] = place.array
    return once


def remade(variable: TensorOrVariable, value: TensorOrVariable) -> TensorOrVariable:
    """A new variable with another value, and whatever else the given one has."""
    return tf.Variable(
        value,
        trainable=variable.trainable,
        name=variable.name.partition(":")[0],
        shape=variable.shape,
        constraint=variable.constraint,
        synchronization=variable.synchronization,
        aggregation=variable.aggregation,
    )


def rebuilt(module: Any, make: Callable[[TensorOrVariable], TensorOrVariable]) -> Any:
    """A copy of the module in which every array, wherever it is kept, is what ``make`` gives for it.

    What is shared stays shared. The module itself is not changed: the programs that ``tf.function`` made of it go on
    with its variables, and those of the copy are traced when they are first called.

    Raises:
        Refused: the module holds something that cannot be copied, or a ``tf.function`` of a function that has the
            module or a part of it in its closure, which would go on with the given one.
    """
    require_variables(module)
    memo = {id(array): make(array) for _, array in list(held(module))}
    programs = list(arrays_within(module, lambda item: isinstance(item, _PROGRAM)))
    for path, program in programs:
        cells = [cell.cell_contents for cell in getattr(program.python_function, "__closure__", None) or ()]
        if any(id(array) in memo for _, array in arrays_within(cells, is_array)):
            raise Refused(
                f"{_public(path)}: found a tf.function with arrays of the module in its closure, which would go on "
                "with them; make it a method; nothing was changed"
            )
        memo[id(program)] = program._clone(None)
    try:
        made = copy.deepcopy(module, memo)
        for _, program in programs:
            memo[id(program)]._python_function = copy.deepcopy(program.python_function, memo)
    except TypeError as error:
        raise Refused(f"{type(module).__name__}: cannot be copied ({error}); nothing was changed") from error
    if lost := places(module).keys() ^ places(made).keys():
        first = min(lost)
        raise Refused(f"{first}: is not copied by what holds it, as by a Keras optimizer; keep that elsewhere")
    return made


def alive() -> dict[str, int]:
    """The tensors and variables that Python holds, their bytes, and the nodes of all graphs that it holds: every trace
    of a ``tf.function`` is one."""
    gc.collect()
    arrays, nodes = [], 0
    for item in gc.get_objects():
        if issubclass(type(item), tf.Graph):
            nodes += len(item.get_operations())
        elif issubclass(type(item), (tf.Tensor, tf.Variable)) and not tf.is_symbolic_tensor(item):
            arrays.append(item)
    sized = [array for array in arrays if is_array(array) and array.shape.is_fully_defined()]
    total = sum(array.shape.num_elements() * array.dtype.size for array in sized)
    return {"arrays": len(arrays), "bytes": total, "nodes": nodes}
