"""Linen: a module that holds no state, and the variables that it makes when it is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import jax
from flax import linen as nn
from flax.core import unfreeze
from jax.tree_util import keystr

from constate.errors import UsageError
from constate.instruments.holdings import Holding, Part, Walk
from constate.instruments.inputs import Call
from constate_flax.linen.auditing.fixes import FIXES
from constate_flax.linen.auditing.holding import parts_of, parts_of_root
from constate_flax.linen.auditing.passes import Passes, Shells
from constate_flax.linen.tree import PARAMS, Variables, located
from constate_jax.arrays import split_host
from constate_jax.auditing.copying import copied
from constate_jax.auditing.functional import Functional
from constate_jax.auditing.leaves import STATE, Leaf, identity_in
from constate_jax.auditing.seeding import make
from constate_jax.auditing.trees import Place, Trees, abstract, empty_in


@dataclass(frozen=True)
class Handle:
    """A module and its state."""

    module: nn.Module
    variables: Variables
    shells: Shells


class Linen(Functional):
    """The collection ``params`` is what is trained; every other collection is state that passes may move. Optax is
    handed ``variables["params"]``, also by a user in a hurry, since collections come apart as they are made."""

    backend = "linen"
    requires = ("flax", "jax", "optax")
    fixes = FIXES

    def __init__(self, factory: Callable[[], Any]) -> None:
        super().__init__(factory)
        self.passes = Passes()
        self._shells: Shells = {}
        self._trees = Trees(lambda variables: _places(variables, self._shells))

    @classmethod
    def owns(cls, made: object) -> bool:
        return isinstance(made, nn.Module)

    @classmethod
    def sketch(cls, factory: Callable[[], Any]) -> object | None:
        split_host()
        return None

    # -- making ------------------------------------------------------------------------------------------------

    def build(self, seed: int) -> Handle:
        module = make(self.factory, seed)
        if module.scope is not None:  # bound: it brings its variables
            module, variables = module.unbind()
            self._shells = {(): module}
            return Handle(module, unfreeze(variables), self._shells)
        shells: dict[tuple[str, ...], nn.Module] = {}
        variables = self.passes.init(module, self._example(module), seed, shells)
        self._shells = shells
        return Handle(module, variables, shells)

    def abstract(self, seed: int) -> Handle:
        module = make(self.factory, seed)
        shells: dict[tuple[str, ...], nn.Module] = {}
        call = self._example(module)
        variables = abstract(lambda: self.passes.init(module, call, seed, shells))
        self._shells = shells
        return Handle(module, variables, shells)

    def _example(self, module: nn.Module) -> Call:
        if self.inputs is None:
            raise UsageError(
                "a Linen module has no state before it is run, and the inputs are not known; give them: "
                "inputs=['f32[8,16]'], --input f32[8,16]"
            )
        return self.placed(Handle(module, {}, {}), self.inputs.first())

    # -- state -------------------------------------------------------------------------------------------------

    def leaves(self, handle: Handle) -> dict[str, Leaf]:
        trained = {collection: collection == PARAMS for collection in handle.variables}
        within = [trained[name] for name in sorted(trained) for _ in jax.tree.leaves(handle.variables[name])]
        return {
            place.path: Leaf(value, within[number], place.owner, place.name, identity_in(handle, number, value))
            for number, (place, value) in enumerate(self._trees.leaves(handle.variables))
            if isinstance(value, STATE)
        }

    def at(self, handle: Handle, path: str) -> Any:
        return jax.tree.leaves(handle.variables)[self._trees.places(handle.variables)[path][0]]

    def put(self, handle: Handle, values: Mapping[str, Any]) -> Handle:
        return dataclasses.replace(handle, variables=self._trees.refilled(handle.variables, values))

    def optional(self, handle: Handle) -> list[str]:
        return [place.path.partition("/")[2] for place in empty_in(handle.variables)]

    def holder(self, handle: Handle, path: str) -> type | None:
        return _holder(handle.shells, path.split("/"))[0]

    # -- what is held outside of the state -----------------------------------------------------------------------

    def root(self, handle: Handle) -> nn.Module:
        return handle.module

    def walk(self, handle: Handle) -> Walk:
        def parts(item: Any) -> Iterator[Part] | None:
            found = self.parts(item)
            if item is not handle.module or found is None:
                return found
            return chain(found, parts_of_root(handle.module, handle.variables, handle.shells))

        return Walk(self.is_array, parts, self.internals)

    def parts(self, item: Any) -> Iterator[Part] | None:
        return parts_of(item)

    def holdings(self, handle: Handle) -> list[Holding]:
        """Without what a pass left while it was traced, as ``init`` is by an abstract build: it is no part of that."""
        return [holding for holding in super().holdings(handle) if not isinstance(holding.value, jax.core.Tracer)]

    # -- running -----------------------------------------------------------------------------------------------

    def passed(self, handle: Handle, call: Call, training: bool, seed: int) -> tuple[Any, Handle]:
        outputs, variables = self.passes.apply(handle.module, handle.variables, call, training, seed)
        return outputs, dataclasses.replace(handle, variables=variables)

    def copy(self, handle: Handle, how: str) -> Handle:
        module, variables = copied((handle.module, handle.variables), how)
        return Handle(module, variables, handle.shells)


def _places(variables: Variables, shells: Shells) -> list[Place]:
    """Every place in the variables, in the order of their leaves: JAX takes the collections by name."""
    found: dict[str, list[Place]] = {collection: [] for collection in sorted(variables)}
    keys = (keys for collection in variables for keys, _ in jax.tree.leaves_with_path(variables[collection]))
    for (path, (collection, _)), inside in zip(located(variables).items(), keys, strict=True):
        found[collection].append(Place(path, *_holder(shells, [keystr((key,), simple=True) for key in inside])))
    return [place for places in found.values() for place in places]


def _holder(shells: Shells, names: list[str]) -> tuple[type, str]:
    """The class of the innermost submodule above an entry, and what leads to the entry from there."""
    length = next(n for n in range(len(names), -1, -1) if tuple(names[:n]) in shells)
    return type(shells[tuple(names[:length])]), names[min(length, len(names) - 1)] if names else ""
