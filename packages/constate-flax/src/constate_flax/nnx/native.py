"""Flax NNX as it is: its own verbs, called as its documentation calls them."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend.core import ClosedJaxpr, Jaxpr

from constate.backend import Backend, Compiled, Gradients, Optimizer, Scope, Spec, Spread, Trained
from constate.errors import Unsupported
from constate.reach import arrays_within
from constate.state import Array, Kind, Seen, dtype_named
from constate_flax import arrays, files, spreading
from constate_flax.nnx.policies import KINDS
from constate_flax.nnx.tree import commit, empty, leaves, value_of, values


def literals_of(program: Jaxpr) -> Iterator[int]:
    """The sizes of the constants in the programs that a program calls."""
    for equation in program.eqns:
        for found in jax.tree.leaves(list(equation.params.values())):  # a program is a leaf of its own
            if isinstance(found, ClosedJaxpr):
                yield from (constant.nbytes for constant in found.consts)
                yield from literals_of(found.jaxpr)
            elif isinstance(found, Jaxpr):
                yield from literals_of(found)


def training_step(module: nnx.Module, stepper: nnx.Optimizer[Any], *inputs: jax.Array) -> None:
    """One step, in place."""

    def loss(module: nnx.Module, *inputs: jax.Array) -> jax.Array:
        parameters = jax.tree.leaves(nnx.state(module, nnx.Param))
        return jnp.mean(module(*inputs) ** 2) + sum(jnp.mean(parameter**2) for parameter in parameters)

    gradient = nnx.grad(loss, argnums=nnx.DiffState(0, stepper.wrt))
    stepper.update(module, gradient(module, *inputs))


class CompiledModule:
    """``nnx.jit`` of a call of a module, with a count of its traces."""

    def __init__(self, run: Callable[..., tuple[Array, nnx.Module]]) -> None:
        self.traces = 0
        self._run = run

        @nnx.jit
        def program(module: nnx.Module, *inputs: jax.Array) -> jax.Array:
            self.traces += 1
            outputs: jax.Array = module(*inputs)
            return outputs

        self._program = program

    def __call__(self, handle: nnx.Module, *inputs: Array, training: bool = False) -> tuple[Array, nnx.Module]:
        return self._run(handle, *inputs, training=training, program=self._program)


class Native(Backend):
    """Flax NNX's own verbs."""

    name = "nnx"
    flavour = "native"
    package = "constate_flax.nnx"
    separator = "/"
    requires = ("flax", "jax", "optax", "orbax-checkpoint", "safetensors")

    def __init__(self) -> None:
        arrays.split_host()

    def factory(self, module: str, config: Mapping[str, Any], seed: int) -> Callable[[], nnx.Module]:
        cls = self.module_class(module)
        draws = "rngs" in inspect.signature(cls.__init__).parameters
        return lambda: cls(**config, rngs=nnx.Rngs(seed)) if draws else cls(**config)

    def build(self, spec: Spec, *, device: str | None = None) -> nnx.Module:
        with jax.default_device(arrays.device_named(device)) if device else contextlib.nullcontext():
            made: nnx.Module = spec.factory()
        return made

    def abstract(self, spec: Spec) -> nnx.Module:
        made: nnx.Module = nnx.eval_shape(spec.factory)
        return made

    def materialise(self, handle: nnx.Module, spec: Spec) -> nnx.Module:
        return commit(handle, {path: arrays.like(empty(value), value) for path, value in values(handle).items()})

    def shared(self, spec: Spec, names: Mapping[str, str]) -> Spec:
        def make() -> nnx.Module:
            module: nnx.Module = spec.factory()
            found = leaves(module)
            for path, name in names.items():
                setattr(module, name, found[path])
            return module

        return dataclasses.replace(spec, factory=make)

    def entries(self, handle: nnx.Module) -> dict[str, Seen]:
        saved = set(self.listing(handle))
        return {
            path: Seen(
                path=path,
                shape=tuple(value.shape),
                dtype=str(value.dtype),
                device=arrays.device_of(value),
                trainable=isinstance(leaf, nnx.Param),
                persistent=path in saved,
                identity=arrays.address_of(value),
            )
            for path, leaf in leaves(handle).items()
            for value in [value_of(leaf)]
        }

    def listing(self, handle: nnx.Module) -> list[str]:
        return list(leaves(handle))

    def read(self, handle: nnx.Module, path: str) -> Array:
        return arrays.to_numpy(values(handle)[path])

    def write(self, handle: nnx.Module, path: str, value: Array) -> nnx.Module:
        return commit(handle, {path: arrays.like(value, values(handle)[path])})

    def is_shared(self, handle: nnx.Module, path: str, name: str) -> bool:
        return leaves(handle).get(path) is getattr(handle, name, None)  # a shared variable is listed once

    def strays(self, handle: nnx.Module) -> dict[str, str]:
        registered = {id(leaf) for leaf in leaves(handle).values()}
        return {
            path: arrays.device_of(value_of(found))
            for path, found in arrays_within(handle, lambda item: isinstance(item, nnx.Variable | jax.Array))
            if id(found) not in registered
        }

    def _inputs(self, handle: nnx.Module, inputs: Sequence[Array]) -> list[jax.Array]:
        device = next((getattr(value, "sharding", None) for value in values(handle).values()), None)
        return [arrays.from_numpy(array, device) for array in inputs]

    def forward(
        self, handle: nnx.Module, *inputs: Array, training: bool = False, program: Any = None
    ) -> tuple[Array, nnx.Module]:
        handle.train() if training else handle.eval()
        arguments = self._inputs(handle, inputs)
        outputs = program(handle, *arguments) if program else handle(*arguments)
        return arrays.to_numpy(outputs), handle

    def gradients(
        self, handle: nnx.Module, inputs: tuple[Array, ...], cotangents: Array, *, training: bool = False
    ) -> Gradients:
        handle.train() if training else handle.eval()
        arguments = self._inputs(handle, inputs)
        (weights,) = self._inputs(handle, [cotangents])
        floats = [i for i, argument in enumerate(arguments) if jnp.issubdtype(argument.dtype, jnp.floating)]
        found, *by_argument = nnx.grad(
            lambda module, *given: (module(*given) * weights).sum(), argnums=(0, *(i + 1 for i in floats))
        )(handle, *arguments)
        by_input = dict(zip(floats, map(arrays.to_numpy, by_argument), strict=True))
        return Gradients(
            {path: arrays.to_numpy(gradient) for path, gradient in values(found).items()},
            tuple(by_input.get(i) for i in range(len(arguments))),
        )

    def optimizer(self, handle: nnx.Module, name: Optimizer, scope: Scope) -> nnx.Optimizer[Any]:
        """``careless`` is every variable of the module."""
        wrt = nnx.Param if scope == "trainable" else nnx.Variable
        return nnx.Optimizer(handle, arrays.OPTIMIZERS[name](), wrt=wrt)

    def train(
        self, handle: nnx.Module, batches: Sequence[tuple[Array, ...]], optimizer: Optimizer, scope: Scope
    ) -> Trained:
        stepper = self.optimizer(handle, optimizer, scope)
        handle.train()
        for batch in batches:
            training_step(handle, stepper, *self._inputs(handle, batch))
        # A slot stands in the optimizer's state under the path of its entry, after the names of the transformation;
        # what optax keeps for itself, such as Adam's count, is no OptVariable.
        slots = ["/" + path for path, leaf in leaves(stepper).items() if isinstance(leaf, nnx.OptVariable)]
        return Trained(handle, frozenset(p for p in leaves(handle) if any(slot.endswith("/" + p) for slot in slots)))

    def spread(
        self, spec: Spec, state: Mapping[str, Array], batches: Sequence[tuple[Array, ...]], optimizer: Optimizer
    ) -> Spread:
        handle, whole = self.begun(spec, state), spreading.replicated()
        nnx.update(handle, jax.device_put(nnx.state(handle), whole))
        born = spreading.on_each(values(handle))
        stepper = self.optimizer(handle, optimizer, "trainable")
        nnx.update(stepper, jax.device_put(nnx.state(stepper), whole))
        handle.train()
        step = nnx.jit(training_step)
        for batch in batches:
            step(handle, stepper, *spreading.divided(batch))
        return Spread(born, spreading.on_each(values(handle)))

    def alive(self, handle: nnx.Module) -> dict[str, int]:
        return arrays.alive(handle)

    def compile(self, handle: nnx.Module) -> Compiled:
        return CompiledModule(self.forward)

    def literals(self, handle: nnx.Module, inputs: tuple[Array, ...]) -> list[int]:
        handle.eval()
        graph, state = nnx.split(handle)
        program = jax.make_jaxpr(lambda state, *given: nnx.merge(graph, state)(*given))(
            state, *self._inputs(handle, inputs)
        )
        return [constant.nbytes for constant in program.consts] + list(literals_of(program.jaxpr))

    def formats(self) -> dict[str, str]:
        return {format: files.FORMATS[format] for format in ("orbax", "msgpack", "safetensors")}

    @property
    def exchange_format(self) -> str | None:
        return "safetensors"

    def save(self, handle: nnx.Module, path: Path, format: str) -> None:
        state = nnx.state(handle)
        files.save_tree(state if format == "orbax" else nnx.to_pure_dict(state), path, format)

    def load(self, handle: nnx.Module, path: Path, format: str, spec: Spec | None = None) -> nnx.Module:
        state = nnx.state(handle)
        if format == "orbax":
            nnx.update(handle, files.load_tree(state, path, format))
            return handle
        found = files.load_tree(nnx.to_pure_dict(state), path, format)
        nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, found))
        nnx.update(handle, state)
        return handle

    def stored(self, path: Path, format: str) -> list[Array]:
        return files.stored_in(path, format)

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle", "nnx.clone")

    def copy(self, handle: nnx.Module, how: str) -> nnx.Module:
        if how == "deepcopy":
            return copy.deepcopy(handle)
        return pickle.loads(pickle.dumps(handle)) if how == "pickle" else nnx.clone(handle)

    def devices(self) -> tuple[str, ...]:
        return arrays.other_devices()

    def move(self, handle: nnx.Module, device: str, spec: Spec) -> nnx.Module:
        nnx.update(handle, jax.device_put(nnx.state(handle), arrays.device_named(device)))
        return handle

    def cast(self, handle: nnx.Module, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> nnx.Module:
        def follow(leaf: jax.Array) -> jax.Array:
            return leaf.astype(dtype_named(dtype)) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        nnx.update(handle, jax.tree.map(follow, nnx.state(handle)))
        return handle

    def register(
        self, handle: nnx.Module, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> nnx.Module:
        setattr(handle, name, KINDS[kind](arrays.ordinary(value)))
        return handle

    def register_none(self, handle: nnx.Module, name: str) -> nnx.Module:
        setattr(handle, name, nnx.data(None))  # as flax.nnx.Linear does without a bias
        return handle

    def taken(self, handle: nnx.Module) -> dict[str, str]:
        own = {name: value for name, value in vars(handle).items() if not name.startswith("_")}
        names = {
            "attribute": [n for n, v in own.items() if not isinstance(v, nnx.Variable | nnx.Module | jax.Array)],
            "parameter": [n for n, v in own.items() if isinstance(v, nnx.Param)],
            "submodule": [n for n, v in own.items() if isinstance(v, nnx.Module)],
            "method": ["train"],
        }
        return {what: found[0] for what, found in names.items() if found}

    def assign(self, handle: nnx.Module, path: str, value: Any) -> nnx.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JAX warns that it will refuse one day; it does not refuse
            leaves(handle)[path][...] = value
        return handle

    def freeze(self, handle: nnx.Module, frozen: bool) -> nnx.Module:
        raise Unsupported(
            "NNX has no switch on a module: what is trained is chosen by the filter wrt of nnx.grad and nnx.Optimizer.",
            "https://flax.readthedocs.io/en/latest/api_reference/flax.nnx/training/optimizer.html",
        )
