"""NNX: modules that hold their state in variables, and are changed in place."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import jax
import numpy as np
from flax import nnx

from constate.instruments import Replaced
from constate.instruments.holdings import Part, Walk, attributes
from constate.instruments.inputs import Call, Inputs
from constate.state import Array
from constate_flax.nnx.auditing.construction import Construction
from constate_flax.nnx.auditing.fixes import FIXES
from constate_flax.nnx.auditing.inferring import candidates
from constate_flax.nnx.auditing.slots import TREES, Slot, filled, slots
from constate_flax.nnx.auditing.splitting import has_arrays, listed, split, without_memory
from constate_flax.nnx.tree import value_of
from constate_jax.arrays import split_host
from constate_jax.auditing.calls import KEYS, arrays_of, refilled, told
from constate_jax.auditing.functional import Functional
from constate_jax.auditing.leaves import STATE, Leaf, alike, identity_in
from constate_jax.auditing.outputs import arrays_in, loss_of, nothing, traceable
from constate_jax.auditing.seeding import MAKERS, make
from constate_jax.auditing.training import gradient

INTERNAL = frozenset({"_pytree__state", "_pytree__nodes"})
"""NNX's own attributes of a module."""

TAG = "constate"
MAKES = {**MAKERS, "rngs": nnx.Rngs}


class NNX(Functional):
    """``nnx.Param`` is what is trained; other variables and bare arrays are state that passes may move. The optimizer
    is made with ``wrt=nnx.Param``, also by a user in a hurry, since NNX asks for it."""

    backend = "nnx"
    requires = ("flax", "jax", "optax")
    seeds = frozenset(MAKES)
    fixes = FIXES

    def __init__(self, factory: Callable[[], Any]) -> None:
        super().__init__(factory)
        self._replaced: list[Replaced] = []
        self._known: tuple[nnx.Module, dict[str, Slot]] | None = None
        self._sown: set[str] = set()

    @classmethod
    def owns(cls, made: object) -> bool:
        return isinstance(made, nnx.Module)

    @classmethod
    def sketch(cls, factory: Callable[[], Any]) -> object | None:
        split_host()
        try:
            made: object = without_memory(lambda: (_make(factory, 0), None))[0]
        except Exception:
            return None
        return made

    def infer_inputs(self, made: object) -> Inputs | None:
        for inputs in candidates(made):
            with contextlib.suppress(Exception):
                self.run(self.abstract(0), inputs.first())
                return inputs
        return None

    # -- making ------------------------------------------------------------------------------------------------

    def build(self, seed: int) -> nnx.Module:
        construction = Construction()
        with construction.recorded():
            module: nnx.Module = _make(self.factory, seed)
        self._replaced = construction.replaced(module)
        return module

    def abstract(self, seed: int) -> nnx.Module:
        return without_memory(lambda: (_make(self.factory, seed), None))[0]

    def replaced(self) -> list[Replaced]:
        return self._replaced

    # -- state -------------------------------------------------------------------------------------------------

    def leaves(self, handle: nnx.Module) -> dict[str, Leaf]:
        found = {}
        for number, (path, slot) in enumerate(slots(handle).items()):
            if slot.value is not None:
                holder = slot.leaf if isinstance(slot.leaf, nnx.Variable) else handle
                identity = id(slot.leaf) if slot.whole else identity_in(holder, number, slot.value)
                found[path] = Leaf(slot.value, isinstance(slot.leaf, nnx.Param), slot.owner, slot.name, identity)
        return found

    def put(self, handle: nnx.Module, values: Mapping[str, Any]) -> nnx.Module:
        return filled(handle, slots(handle), values) if values else handle

    def at(self, handle: nnx.Module, path: str) -> Any:
        slot = self._slot(handle, path)
        return value_of(slot.leaf) if slot.whole else self.leaves(handle)[path].value

    def write(self, handle: nnx.Module, path: str, value: Array) -> nnx.Module:
        slot = self._slot(handle, path)
        if not slot.whole:
            return self.put(handle, {path: alike(value, self.at(handle, path))})
        slot.leaf.set_value(alike(value, value_of(slot.leaf)))
        return handle

    def _slot(self, handle: nnx.Module, path: str) -> Slot:
        """Where an entry is. Only what runs the module makes variables and takes them away."""
        if self._known is None or self._known[0] is not handle:
            self._known = handle, slots(handle)
        return self._known[1][path]

    def optional(self, handle: nnx.Module) -> list[str]:
        return [path for path, slot in slots(handle).items() if slot.value is None]

    def holder(self, handle: nnx.Module, path: str) -> type | None:
        return slots(handle)[path].owner

    # -- what is held outside of the state -----------------------------------------------------------------------

    def is_array(self, item: object) -> bool:
        return isinstance(item, nnx.Variable) or super().is_array(item)

    def is_variable(self, item: object) -> bool:
        return isinstance(item, nnx.Variable)

    def value(self, item: Any) -> Array:
        if not isinstance(item, nnx.Variable):
            return super().value(item)
        inside = value_of(item)
        return super().value(inside) if isinstance(inside, STATE) else np.empty(0, np.uint8)

    def address(self, item: Any) -> int:
        return id(item) if isinstance(item, nnx.Variable) else super().address(item)

    def device(self, item: Any) -> str:
        return super().device(value_of(item))

    def own(self, handle: nnx.Module) -> set[int]:
        return super().own(handle) | {id(leaf) for _, leaf in nnx.to_flat_state(nnx.state(handle))}

    def walk(self, handle: nnx.Module) -> Walk:
        def parts(item: Any) -> Iterator[Part] | None:
            return iter(()) if item is not handle and _traced(item, type(handle)) else self.parts(item)

        return Walk(self.is_array, parts, self.internals)

    def parts(self, item: Any) -> Iterator[Part] | None:
        return attributes(item, INTERNAL) if isinstance(item, nnx.Pytree) else None

    # -- running -----------------------------------------------------------------------------------------------

    def passed(self, handle: nnx.Module, call: Call, training: bool, seed: int) -> tuple[Any, nnx.Module]:
        self._known = None
        with self._nothing_sown(handle):
            outputs = self._outputs(handle, call, training, seed)
        return outputs, handle

    def _outputs(self, module: nnx.Module, call: Call, training: bool, seed: int) -> Any:
        module.train() if training else module.eval()
        parameters = list(inspect.signature(type(module).__call__).parameters.values())[1:]
        args, kwargs = told(parameters, call, training, seed, keys={**KEYS, "rngs": nnx.Rngs})
        with self._sowing():
            return module(*args, **kwargs)

    @contextlib.contextmanager
    def _sowing(self) -> Iterator[None]:
        sow: Callable[..., bool] = nnx.Module.sow

        def noted(module: nnx.Module, variable_type: Any, name: str, *args: Any, **kwargs: Any) -> bool:
            self._sown.add(name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # which would name this file and not the author's
                return sow(module, variable_type, name, *args, **kwargs)

        with mock.patch.object(nnx.Module, "sow", noted):
            yield

    @contextlib.contextmanager
    def _nothing_sown(self, handle: nnx.Module) -> Iterator[None]:
        """Take out of the module what a pass gives back by ``sow``, as its users do: it is no state."""
        before = {keys for keys, _ in nnx.to_flat_state(nnx.state(handle))}
        yield
        nnx.pop(handle, lambda keys, leaf: keys[-1] in self._sown and keys not in before)

    def shaped(self, handle: nnx.Module, call: Call, training: bool, seed: int) -> tuple[dict[str, Any], nnx.Module]:
        leaves, merged = split(handle)
        shapes = {number: leaf for number, leaf in enumerate(leaves) if isinstance(leaf, jax.ShapeDtypeStruct)}

        def run(given: dict[int, Any]) -> tuple[nnx.Module, dict[str, Any]]:
            module = merged([given.get(number, leaf) for number, leaf in enumerate(leaves)])
            outputs, module = self.passed(module, call, training, seed)
            return module, arrays_in(outputs)

        module, outputs = without_memory(run, shapes)
        return outputs, module

    def program(
        self, handle: nnx.Module, call: Call, training: bool, seed: int
    ) -> tuple[Any, Callable[[Any], list[jax.Array]]]:
        leaves, merged = split(handle)

        def run(taken: tuple[list[Any], list[Any]]) -> list[jax.Array]:
            return traceable(self._outputs(merged(taken[0]), refilled(call, taken[1]), training, seed))

        return (leaves, arrays_of(call)), run

    def differentiated(
        self, handle: nnx.Module, paths: Sequence[str], call: Call, seed: int, training: bool = True
    ) -> tuple[dict[str, jax.Array] | None, nnx.Module]:
        self._known = None
        given = self.placed(handle, call)
        chosen = {slot.keys for path, slot in slots(handle).items() if path in paths}
        kept: dict[str, Any] = {}

        def loss(leaves: list[Any]) -> tuple[jax.Array, list[Any]]:
            with nnx.merge_context(TAG, inner=True) as context:
                module: Any = context.merge(graph, wanted_of(leaves), rest)
            found = loss_of(self._outputs(module, given, training, seed))
            with nnx.split_context(TAG) as context:
                after: Any = context.split(module, has_arrays, ...)
            arrays, kept["arrays_of"] = listed(after[1])
            kept.update(graph=after[0], rest=after[2], floats=found is not None)
            return nothing() if found is None else found, arrays

        # As nnx.grad does it, which gives no way to compile the way back.
        with self._nothing_sown(handle), nnx.update_context(TAG):
            with nnx.split_context(TAG) as context:
                parts: Any = context.split(handle, lambda keys, value: keys in chosen, ...)
            graph, wanted, rest = parts
            leaves, wanted_of = listed(wanted)
            state, arrays = gradient(loss, leaves)
            with nnx.merge_context(TAG, inner=False) as context:
                context.merge(kept["graph"], kept["arrays_of"](arrays), kept["rest"])
        gradients = {}
        for keys, leaf in nnx.to_flat_state(wanted_of(state)):
            path = "/".join(map(str, keys))
            for place, found in TREES.leaves(value_of(leaf)):
                gradients[f"{path}/{place.path}" if place.path else path] = found
        return {path: gradients[path] for path in paths} if kept["floats"] else None, handle

    # -- placing -----------------------------------------------------------------------------------------------

    def moved(self, item: Any, device: str) -> Any:
        if isinstance(item, nnx.Variable):
            return item.replace(super().moved(value_of(item), device))
        return super().moved(item, device)


def _make(factory: Callable[[], Any], seed: int) -> Any:
    return make(factory, seed, MAKES)


def _traced(item: Any, kind: type) -> bool:
    """Whether it is the module as it was while it was built without memory, to which an object of the user's still
    leads: what stands in its place now is another."""
    return type(item) is kind and not vars(item)["_pytree__state"].trace_state.is_valid()
