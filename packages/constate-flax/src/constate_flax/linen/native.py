"""Flax Linen as it is: its own verbs, called as its documentation calls them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax.tree_util import keystr

from constate.backend import Backend, Compiled, Gradients, Optimizer, Scope, Spec, Spread, Trained
from constate.errors import Unsupported
from constate.reach import arrays_within
from constate.state import SEPARATOR, Array, Kind, Seen, dtype_named
from constate_flax import spreading
from constate_flax.arrays import (
    OPTIMIZERS,
    address_of,
    alive,
    device_named,
    device_of,
    from_numpy,
    ordinary,
    other_devices,
    split_host,
    to_numpy,
)
from constate_flax.files import FORMATS, load_tree, save_tree, stored_in
from constate_flax.linen.declare import COLLECTIONS, bound, declare
from constate_flax.linen.running import CompiledModule, Handle, constants_in, initial, passed, placed
from constate_flax.linen.state import CONSTANTS
from constate_flax.linen.tree import PARAMS, Variables, dtype_of, located, replaced, slots_in


def nothing(value: None) -> None:
    """The initial value of an optional variable that is not there."""


class Stepper(Protocol):
    """An optimizer: its slots, and one step from a tree and its gradients."""

    def init(self, tree: Any, /) -> optax.OptState: ...

    def step(self, tree: Any, gradients: Any, state: optax.OptState, /) -> tuple[Any, optax.OptState]: ...


class Plain:
    """The step that Optax's documentation shows: whatever tree it is handed, all of it is trained."""

    def __init__(self, transformation: optax.GradientTransformation) -> None:
        self._transformation = transformation

    def init(self, tree: Any) -> optax.OptState:
        return self._transformation.init(tree)

    def step(self, tree: Any, gradients: Any, state: optax.OptState) -> tuple[Any, optax.OptState]:
        updates, state = self._transformation.update(gradients, state, tree)
        return optax.apply_updates(tree, updates), state


def optimized(variables: Variables, scope: Scope) -> Any:
    """What the optimizer is handed."""
    return variables if scope == "careless" else variables.get(PARAMS, {})


def training_step(module: nn.Module, stepper: Stepper, scope: Scope) -> Callable[..., tuple[Variables, optax.OptState]]:
    """A function of variables, optimizer state and inputs that gives the variables and the state after one step."""

    def put(variables: Variables, trained: Any) -> Variables:
        return {**variables, **(trained if scope == "careless" else {PARAMS: trained})}

    def loss(trained: Any, rest: Variables, inputs: Sequence[Any]) -> tuple[jax.Array, Variables]:
        variables = put(rest, trained)
        outputs, moved = passed(module, variables, inputs, training=True)
        penalty = sum(jnp.mean(leaf**2) for leaf in jax.tree.leaves(variables.get(PARAMS, {})))
        return jnp.mean(outputs**2) + penalty, moved

    def step(variables: Variables, state: optax.OptState, inputs: Sequence[Any]) -> tuple[Variables, optax.OptState]:
        trained = optimized(variables, scope)
        gradients, moved = jax.grad(loss, has_aux=True)(trained, variables, inputs)
        trained, state = stepper.step(trained, gradients, state)
        return {**put(variables, trained), **moved}, state

    return step


class Native(Backend):
    """Flax Linen's own verbs."""

    name = "linen"
    flavour = "native"
    package = "constate_flax.linen"
    separator = SEPARATOR
    requires = ("flax", "jax", "optax", "orbax-checkpoint", "safetensors")

    def __init__(self) -> None:
        split_host()

    def factory(self, module: str, config: Mapping[str, Any], seed: int) -> Callable[[], nn.Module]:
        cls = self.module_class(module)
        return lambda: cls(**config)

    def build(self, spec: Spec, *, device: str | None = None) -> Handle:
        module = spec.factory()
        with jax.default_device(device_named(device)) if device else nullcontext():
            return Handle(module, initial(module, spec.inputs, spec.seed), spec.inputs)

    def abstract(self, spec: Spec) -> Handle:
        module = spec.factory()
        return Handle(module, jax.eval_shape(lambda: initial(module, spec.inputs, spec.seed)), spec.inputs)

    def materialise(self, handle: Handle, spec: Spec) -> Handle:
        return handle.holding(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), handle.variables))

    def shared(self, spec: Spec, names: Mapping[str, str]) -> Spec:
        raise Unsupported(
            "The variables of a Linen module are a pytree, in which identity is not kept: an array that stands in it "
            "twice is two entries. Two places share by calling one submodule, whose variables stand there once.",
            "https://docs.jax.dev/en/latest/jax.tree_util.html",
        )

    def entries(self, handle: Handle) -> dict[str, Seen]:
        return {
            path: Seen(
                path=path,
                shape=np.shape(leaf),
                dtype=dtype_of(leaf),
                device=device_of(leaf),
                trainable=collection == PARAMS,
                persistent=True,
                identity=address_of(leaf),
            )
            for path, (collection, leaf) in located(handle.variables).items()
        }

    def listing(self, handle: Handle) -> list[str]:
        return [keystr(keys, simple=True, separator="/") for keys, _ in jax.tree.leaves_with_path(handle.variables)]

    def read(self, handle: Handle, path: str) -> Array:
        return to_numpy(located(handle.variables)[path][1])

    def write(self, handle: Handle, path: str, value: Array) -> Handle:
        old = located(handle.variables)[path][1]
        new = from_numpy(value, next(iter(old.devices()))) if isinstance(old, jax.Array) else np.array(value)
        return handle.holding(replaced(handle.variables, {path: new}))

    def strays(self, handle: Handle) -> dict[str, str]:
        entries = {id(leaf) for leaf in jax.tree.leaves(handle.variables)}
        return {
            path: device_of(array)
            for path, array in arrays_within(
                bound(handle.module, handle.variables), lambda item: isinstance(item, jax.Array)
            )
            if id(array) not in entries
        }

    def forward(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
        outputs, moved = passed(handle.module, handle.variables, placed(handle, inputs), training)
        return to_numpy(outputs), handle.after(moved)

    def gradients(
        self, handle: Handle, inputs: tuple[Array, ...], cotangents: Array, *, training: bool = False
    ) -> Gradients:
        arguments = placed(handle, inputs)
        floats = {i: array for i, array in enumerate(arguments) if jnp.issubdtype(array.dtype, jnp.floating)}

        def run(params: Any, floats: dict[int, jax.Array]) -> jax.Array:
            mixed = [floats.get(i, array) for i, array in enumerate(arguments)]
            return passed(handle.module, {**handle.variables, PARAMS: params}, mixed, training)[0]

        outputs, pull = jax.vjp(run, handle.variables.get(PARAMS, {}), floats)
        by_param, by_float = pull(placed(handle, [cotangents])[0].astype(outputs.dtype))
        return Gradients(
            {path: to_numpy(leaf) for path, (_, leaf) in located({PARAMS: by_param}).items()},
            tuple(to_numpy(by_float[i]) if i in by_float else None for i in range(len(arguments))),
        )

    def optimizer(self, name: Optimizer, scope: Scope) -> Stepper:
        return Plain(OPTIMIZERS[name]())

    def train(
        self, handle: Handle, batches: Sequence[tuple[Array, ...]], optimizer: Optimizer, scope: Scope
    ) -> Trained:
        """``careless`` is the whole of ``variables``, as ``init`` returns it."""
        stepper = self.optimizer(optimizer, scope)
        step = training_step(handle.module, stepper, scope)
        variables = handle.variables
        state = stepper.init(optimized(variables, scope))
        for batch in batches:
            variables, state = step(variables, state, placed(handle, batch))
        return Trained(handle.holding(variables), slots_in(state, variables))

    def spread(
        self, spec: Spec, state: Mapping[str, Array], batches: Sequence[tuple[Array, ...]], optimizer: Optimizer
    ) -> Spread:
        handle, whole = self.begun(spec, state), spreading.replicated()
        stepper = self.optimizer(optimizer, "trainable")
        variables = jax.device_put(handle.variables, whole)
        born = self._replicas(handle.holding(variables))
        slots = jax.device_put(stepper.init(optimized(variables, "trainable")), whole)
        step = jax.jit(training_step(handle.module, stepper, "trainable"), out_shardings=whole)
        for batch in batches:
            variables, slots = step(variables, slots, spreading.divided(batch))
        return Spread(born, self._replicas(handle.holding(variables)))

    def _replicas(self, handle: Handle) -> tuple[dict[str, Array], ...]:
        return spreading.on_each({path: leaf for path, (_, leaf) in located(handle.variables).items()})

    def alive(self, handle: Handle) -> dict[str, int]:
        return alive(handle.module)

    def compile(self, handle: Handle) -> Compiled:
        return CompiledModule(handle.module)

    def literals(self, handle: Handle, inputs: tuple[Array, ...]) -> list[int]:
        program = jax.make_jaxpr(lambda variables, inputs: passed(handle.module, variables, inputs, False))
        return [np.asarray(found).nbytes for found in constants_in(program(handle.variables, placed(handle, inputs)))]

    def formats(self) -> dict[str, str]:
        return FORMATS

    @property
    def exchange_format(self) -> str | None:
        return "safetensors"

    def save(self, handle: Handle, path: Path, format: str) -> None:
        save_tree(handle.variables, path, format)

    def load(self, handle: Handle, path: Path, format: str, spec: Spec | None = None) -> Handle:
        return handle.holding(load_tree(handle.variables, path, format))

    def stored(self, path: Path, format: str) -> list[Array]:
        return stored_in(path, format)

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle", "jnp.copy")

    def copy(self, handle: Handle, how: str) -> Handle:
        if how == "deepcopy":
            return copy.deepcopy(handle)
        if how == "pickle":
            copied: Handle = pickle.loads(pickle.dumps(handle))
            return copied
        return handle.holding(jax.tree.map(jnp.copy, handle.variables))

    def devices(self) -> tuple[str, ...]:
        return other_devices()

    def move(self, handle: Handle, device: str, spec: Spec) -> Handle:
        return handle.holding(jax.device_put(handle.variables, device_named(device)))

    def cast(self, handle: Handle, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> Handle:
        def rounded(leaf: jax.Array) -> jax.Array:
            return leaf.astype(dtype_named(dtype)) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        return handle.holding(jax.tree.map(rounded, handle.variables))

    def register(
        self, handle: Handle, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> Handle:
        collection = COLLECTIONS[kind]
        old, module = handle.variables.get(collection, {}), handle.module
        if not (replace and name in old):
            module = declare(module, collection, name, np.array(value), ordinary)
            jax.eval_shape(lambda: initial(module, handle.example, 0))
        variables = {**handle.variables, collection: {**old, name: ordinary(value)}}
        return Handle(module, variables, handle.example)

    def register_none(self, handle: Handle, name: str) -> Handle:
        constants = {**handle.variables.get(CONSTANTS, {}), name: None}
        module = declare(handle.module, CONSTANTS, name, None, nothing)
        return Handle(module, {**handle.variables, CONSTANTS: constants}, handle.example)

    def taken(self, handle: Handle) -> dict[str, str]:
        root = {name: tree for collection in handle.variables.values() for name, tree in collection.items()}
        fields = [field.name for field in dataclasses.fields(handle.module) if field.name not in ("parent", "name")]
        names = {
            "attribute": fields,
            "parameter": [n for n in handle.variables.get(PARAMS, {}) if not isinstance(root[n], Mapping)],
            "submodule": [n for n, tree in root.items() if isinstance(tree, Mapping)],
            "method": ["setup"],
        }
        return {what: found[0] for what, found in names.items() if found}

    def assign(self, handle: Handle, path: str, value: Any) -> Handle:
        new = ordinary(value) if hasattr(value, "dtype") else value
        assigned = handle.holding(replaced(handle.variables, {path: new}))
        self.forward(assigned, *handle.example)
        return assigned

    def freeze(self, handle: Handle, frozen: bool) -> Handle:
        raise Unsupported(
            "A Linen module holds no state that could be frozen: what is trained is what is handed to optax, and "
            "layers are frozen by partitioning the optimizer.",
            "https://flax.readthedocs.io/en/v0.6.10/guides/transfer_learning.html",
        )
