"""Modules that are pytrees: callable ones, Equinox's among them, and pairs of a tree and a function of it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax

from constate.errors import UsageError
from constate.instruments.holdings import Part, attributes
from constate.instruments.inputs import Call
from constate_jax.arrays import split_host
from constate_jax.auditing.calls import MODES, told
from constate_jax.auditing.copying import copied
from constate_jax.auditing.fixes import FIXES
from constate_jax.auditing.functional import Functional
from constate_jax.auditing.leaves import (
    ARRAYS,
    STATE,
    Leaf,
    alike,
    bits,
    form_of,
    identity_in,
    inexact,
    require_same,
)
from constate_jax.auditing.seeding import make
from constate_jax.auditing.trees import Trees, abstract, empty_in, places_in, same_form

MODEL, BESIDE = "model", "state"


@dataclass(frozen=True)
class Module:
    """A tree, and what is called with it."""

    tree: Any
    function: Callable[..., Any] | None = None
    """``function(tree, *args)``; without one the tree itself is called. Where the outputs are a pair, and its second
    half has the form of the tree, that is the tree after the pass."""
    stateful: bool = False
    """Whether the tree is a model and a state that it takes and gives back: ``eqx.nn.make_with_state``."""


def module_of(made: Any) -> Module | None:
    """What a factory made, seen as a module; ``None`` where it is no tree or cannot be called."""
    if type(made) is tuple and len(made) == 2:
        first, second = made
        if callable(second) and _has_arrays(first):
            return Module(first, second)
        if callable(first) and _has_arrays(second):
            return Module({MODEL: first, BESIDE: second}, stateful=True)
        return None
    return Module(made) if callable(made) and not isinstance(made, type) and _is_node(made) else None


def _is_node(made: Any) -> bool:
    """Whether JAX looks into it; also one without arrays, such as a layer that computes its table when it is called."""
    try:
        return not jax.tree_util.all_leaves([made])
    except Exception:  # a flatten of the user's that fails
        return False


def _has_arrays(tree: Any) -> bool:
    try:
        return any(isinstance(leaf, ARRAYS) and leaf is not tree for leaf in jax.tree.leaves(tree))
    except Exception:  # keys that cannot be sorted, a flatten of the user's that fails
        return False


class Pytrees(Functional):
    """A pytree says nothing of what is trained, so that by convention every array of floats in it is. NumPy arrays are
    arrays like others: the filters of Equinox and the updates of Optax take them so."""

    backend = "jax"
    fixes = FIXES
    explicit = False

    def __init__(self, factory: Callable[[], Any]) -> None:
        super().__init__(factory)
        self.trees = Trees(places_in)

    @classmethod
    def owns(cls, made: object) -> bool:
        return module_of(made) is not None

    @classmethod
    def sketch(cls, factory: Callable[[], Any]) -> object | None:
        split_host()
        try:
            made: object = abstract(lambda: make(factory, 0))
        except Exception:
            return None
        return made

    def build(self, seed: int) -> Module:
        return _required(make(self.factory, seed))

    def abstract(self, seed: int) -> Module:
        return _required(abstract(lambda: make(self.factory, seed)))

    # -- state -------------------------------------------------------------------------------------------------

    def leaves(self, handle: Module) -> dict[str, Leaf]:
        return {
            place.path: Leaf(
                value=value,
                trainable=inexact(value) and not (handle.stateful and place.path.startswith(f"{BESIDE}/")),
                owner=place.owner,
                name=place.name,
                identity=identity_in(handle, number, value),
            )
            for number, (place, value) in enumerate(self.trees.leaves(handle.tree))
            if isinstance(value, ARRAYS)
        }

    def at(self, handle: Module, path: str) -> Any:
        return jax.tree.leaves(handle.tree)[self.trees.places(handle.tree)[path][0]]

    def put(self, handle: Module, values: Mapping[str, Any]) -> Module:
        return dataclasses.replace(handle, tree=self.trees.refilled(handle.tree, values)) if values else handle

    def optional(self, handle: Module) -> list[str]:
        return [place.path for place in empty_in(handle.tree)]

    def holder(self, handle: Module, path: str) -> type | None:
        return next((place.owner for place in empty_in(handle.tree) if place.path == path), None)

    # -- what is held outside of the state -----------------------------------------------------------------------

    def root(self, handle: Module) -> Any:
        return handle.tree if handle.function is None and not handle.stateful else handle

    def parts(self, item: Any) -> Iterator[Part] | None:
        if isinstance(item, Module):
            return iter([Part("", part, _nowhere, owner=type(part)) for part in (item.tree, item.function)])
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return attributes(item)  # also one of a library's own, such as a layer of Equinox
        return None

    # -- running -----------------------------------------------------------------------------------------------

    def passed(self, handle: Module, call: Call, training: bool, seed: int) -> tuple[Any, Module]:
        tree = self._in_mode(handle.tree, training)
        if handle.function is not None:
            args, kwargs = told(_parameters(handle.function)[1:], call, training, seed)
            outputs = handle.function(tree, *args, **kwargs)
        elif handle.stateful:
            model, state = tree[MODEL], _again(tree[BESIDE])  # a state of Equinox may be used once
            args, kwargs = told(_parameters(model), call, training, seed)
            found, after = model(*args, state, **kwargs)
            outputs = found, {MODEL: model, BESIDE: after}
        else:
            args, kwargs = told(_parameters(tree), call, training, seed)
            outputs = tree(*args, **kwargs)
        if type(outputs) is tuple and len(outputs) == 2 and same_form(outputs[1], tree):
            outputs, tree = outputs
        return outputs, dataclasses.replace(handle, tree=tree)

    def _in_mode(self, tree: Any, training: bool) -> Any:
        """The tree with its flags set, as ``eqx.nn.inference_mode`` does."""
        flags = {
            place.path: MODES[place.name](training)
            for place, value in self.trees.leaves(tree)
            if place.name in MODES and isinstance(value, bool) and value is not MODES[place.name](training)
        }
        return self.trees.refilled(tree, flags) if flags else tree

    # -- storing -----------------------------------------------------------------------------------------------

    def _stored(self, handle: Module) -> dict[str, Any]:
        """What ``eqx.tree_serialise_leaves`` writes: arrays and Python numbers."""
        return {place.path: value for place, value in self.trees.leaves(handle.tree) if isinstance(value, STATE)}

    def save(self, handle: Module) -> Any:
        return {path: bits(value) for path, value in self._stored(handle).items()}

    def load(self, handle: Module, saved: Any) -> Module:
        stored = self._stored(handle)
        require_same(saved, {path: form_of(value) for path, value in stored.items()})
        return self.put(handle, {path: alike(value, stored[path]) for path, value in saved.items()})

    def copy(self, handle: Module, how: str) -> Module:
        return dataclasses.replace(handle, tree=copied(handle.tree, how))


def _required(made: Any) -> Module:
    module = module_of(made)
    if module is None:
        raise UsageError(
            f"found a factory of {type(made).__qualname__}, expected a pytree with arrays that can be called, a pair "
            "of a tree and a function of it, or a pair of a model and its state"
        )
    return module


def _parameters(function: Any) -> list[inspect.Parameter]:
    """The parameters of a function, or of a call of an object; none where they are not known."""
    try:
        if inspect.isroutine(function) or not inspect.isfunction(type(function).__call__):
            return list(inspect.signature(function).parameters.values())
        return list(inspect.signature(type(function).__call__).parameters.values())[1:]
    except (TypeError, ValueError):
        return []


def _again(tree: Any) -> Any:
    """The same tree in new objects."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, leaves)


def _nowhere(value: Any) -> None:
    raise TypeError("this place cannot be written")
