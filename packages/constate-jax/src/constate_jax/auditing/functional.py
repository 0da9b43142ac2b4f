"""Modules whose state is arrays that a pass takes and gives back: what Linen, NNX and plain pytrees have in common."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from constate.backend import Optimizer
from constate.errors import Unsupported
from constate.instruments import Baked, Handle, Held, Instruments, Outputs, Scope
from constate.instruments.holdings import Holding, Walk
from constate.instruments.inputs import Call
from constate.state import Array, dtype_named, is_float
from constate_jax.arrays import (
    address_of,
    device_named,
    device_of,
    like,
    other_devices,
    split_host,
    to_numpy,
)
from constate_jax.auditing.calls import arrays_of, refilled
from constate_jax.auditing.compiling import compiled_once
from constate_jax.auditing.copying import copied
from constate_jax.auditing.drawing import drawn_by
from constate_jax.auditing.leaves import (
    ARRAYS,
    NUMBERS,
    Leaf,
    alike,
    astype,
    bits,
    form_of,
    inexact,
    require_same,
    unfilled,
)
from constate_jax.auditing.outputs import arrays_in, loss_of, nothing, traceable
from constate_jax.auditing.programs import identity_of, literals_in
from constate_jax.auditing.seeding import MAKERS
from constate_jax.auditing.training import gradient, stepper


class Functional(Instruments):
    """What needs only the arrays by path, a way to put others in their places, and a pass."""

    requires: ClassVar[tuple[str, ...]] = ("jax", "optax")
    internals = frozenset(
        {"jax", "jaxlib", "flax", "optax", "orbax", "equinox", "jaxtyping", "constate_jax", "constate_flax"}
    )

    libraries = frozenset({"equinox"})
    seeds = frozenset(MAKERS)

    def __init__(self, factory: Callable[[], Any]) -> None:
        super().__init__(factory)
        split_host()
        self._programs = tempfile.mkdtemp(prefix="constate-")
        weakref.finalize(self, shutil.rmtree, self._programs, ignore_errors=True)

    def at_work(self) -> AbstractContextManager[None]:
        return compiled_once(self._programs)

    @abstractmethod
    def leaves(self, handle: Handle) -> dict[str, Leaf]:
        """Every array of the state by path, or its shape where it has no memory."""

    def at(self, handle: Handle, path: str) -> Any:
        """The array at a path."""
        return self.leaves(handle)[path].value

    @abstractmethod
    def put(self, handle: Handle, values: Mapping[str, Any]) -> Handle:
        """The module with other arrays at these paths."""

    @abstractmethod
    def passed(self, handle: Handle, call: Call, training: bool, seed: int) -> tuple[Any, Handle]:
        """The outputs of a pass as they are, and the handle after it. The arrays of the call are the framework's."""

    def drawn(self) -> frozenset[str] | None:
        with contextlib.suppress(Exception):  # a constructor that cannot be traced
            return drawn_by(lambda: {path: leaf.value for path, leaf in self.leaves(self.build(0)).items()})
        return None

    # -- state -------------------------------------------------------------------------------------------------

    def materialise(self, handle: Handle) -> Handle:
        values = {path: leaf.value for path, leaf in self.leaves(handle).items()}
        shapes = {path: form_of(value) for path, value in values.items() if isinstance(value, jax.ShapeDtypeStruct)}
        return self.put(
            handle, {path: like(np.empty(form.shape, form.dtype), values[path]) for path, form in shapes.items()}
        )

    def stamps(self, handle: Handle) -> dict[str, object]:
        return {path: id(leaf.value) for path, leaf in self.leaves(handle).items()}

    def entries(self, handle: Handle) -> dict[str, Held]:
        found = {}
        for path, leaf in self.leaves(handle).items():
            form = form_of(leaf.value)
            found[path] = Held(
                path=path,
                shape=tuple(form.shape),
                dtype=str(form.dtype),
                device=self.device(leaf.value),
                trainable=leaf.trainable,
                persistent=True,
                identity=leaf.identity,
                owner=leaf.owner,
                name=leaf.name,
            )
        return found

    def listing(self, handle: Handle) -> list[str]:
        return list(self.leaves(handle))

    def read(self, handle: Handle, path: str) -> Array:
        return bits(self.at(handle, path))

    def write(self, handle: Handle, path: str, value: Array) -> Handle:
        return self.put(handle, {path: alike(value, self.at(handle, path))})

    # -- what is held outside of the state -----------------------------------------------------------------------

    def is_array(self, item: object) -> bool:
        return isinstance(item, (jax.Array, jax.ShapeDtypeStruct)) and not isinstance(item, np.ndarray)

    def is_variable(self, item: object) -> bool:
        return False

    def value(self, item: Any) -> Array:
        if isinstance(item, (jax.core.Tracer, jax.ShapeDtypeStruct)):
            return np.empty(0, np.uint8)  # kept while a program was traced: there are no bits
        return to_numpy(item)

    def address(self, item: Any) -> int:
        return identity_of(item)

    def device(self, item: Any) -> str:
        if isinstance(item, NUMBERS):
            return "host"
        return "none" if isinstance(item, jax.core.Tracer) else device_of(item)

    def holdings(self, handle: Handle) -> list[Holding]:
        own = self.own(handle)
        return [holding for holding in self.everything(handle) if not own & self._same(holding.value)]

    def everything(self, handle: Handle, *, libraries: bool = False) -> Iterator[Holding]:
        walk = self.walk(handle)
        closed = walk.internals - self.libraries if libraries else walk.internals
        return replace(walk, internals=closed).holdings(self.root(handle))

    def own(self, handle: Handle) -> set[int]:
        """What the arrays of the state have in common with whatever is the same array."""
        found = set()
        for leaf in self.leaves(handle).values():
            found |= {leaf.identity, *self._same(leaf.value)}
        return found

    def walk(self, handle: Handle) -> Walk:
        """How to walk through a module."""
        return Walk(self.is_array, self.parts, self.internals)

    def _same(self, item: Any) -> set[int]:
        """What an array has in common with others that are the same array, or views of it."""
        if not (self.is_array(item) or isinstance(item, np.ndarray)):
            return set()
        found = {self.address(item)}
        if isinstance(item, (jax.Array, np.ndarray)) and not isinstance(item, jax.core.Tracer) and item.nbytes:
            found.add(address_of(item))
        return found

    # -- running -----------------------------------------------------------------------------------------------

    def run(self, handle: Handle, call: Call, *, training: bool = False, seed: int = 0) -> tuple[Outputs, Handle]:
        given = self.placed(handle, call)
        if self.is_abstract(handle):
            shapes, handle = self.shaped(handle, given, training, seed)
            return {path: unfilled(shape) for path, shape in shapes.items()}, handle
        outputs, handle = self.passed(handle, given, training, seed)
        return {path: self.value(array) for path, array in arrays_in(outputs).items()}, handle

    def shaped(self, handle: Handle, call: Call, training: bool, seed: int) -> tuple[dict[str, Any], Handle]:
        """The shapes of the outputs of a pass without memory, and the handle after it."""
        kept: dict[str, Handle] = {}

        def run(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
            outputs, kept["after"] = self.passed(self.put(handle, values), call, training, seed)
            return arrays_in(outputs), {path: leaf.value for path, leaf in self.leaves(kept["after"]).items()}

        outputs, shapes = jax.eval_shape(run, {path: leaf.value for path, leaf in self.leaves(handle).items()})
        return outputs, self.put(kept["after"], shapes)

    def is_abstract(self, handle: Handle) -> bool:
        """Whether any array has no memory."""
        return any(isinstance(leaf.value, jax.ShapeDtypeStruct) for leaf in self.leaves(handle).values())

    def placed(self, handle: Handle, call: Call) -> Call:
        """The call with JAX arrays where the module is, floats in its float type."""
        values = [leaf.value for leaf in self.leaves(handle).values()]
        sharding = next((v.sharding for v in values if isinstance(v, jax.Array) and v.committed), None)
        wanted = self._float_type(handle)

        def place(leaf: Any) -> Any:
            if not isinstance(leaf, (np.ndarray, np.generic)):
                return leaf
            # A copy, because device_put may keep NumPy's memory, in which the caller could still write.
            array = np.array(leaf, wanted if wanted and is_float(leaf.dtype) else None)
            return jax.device_put(array, sharding)

        return call.map(place)

    def _float_type(self, handle: Handle) -> np.dtype[Any] | None:
        """The one float type of what is trained, or else of all entries; ``None`` where there are several or none."""
        leaves = list(self.leaves(handle).values())
        for chosen in ([leaf for leaf in leaves if leaf.trainable], leaves):
            found = {dtype for leaf in chosen if is_float(dtype := str(form_of(leaf.value).dtype))}
            if found:
                return dtype_named(found.pop()) if len(found) == 1 else None
        return None

    def program(
        self, handle: Handle, call: Call, training: bool, seed: int
    ) -> tuple[Any, Callable[[Any], list[jax.Array]]]:
        """A pass as a pure function, of its arrays to those of its outputs, and what it takes."""
        values = {path: leaf.value for path, leaf in self.leaves(handle).items()}

        def run(taken: tuple[dict[str, Any], list[Any]]) -> list[jax.Array]:
            outputs, _ = self.passed(self.put(handle, taken[0]), refilled(call, taken[1]), training, seed)
            return traceable(outputs)

        return (values, arrays_of(call)), run

    def literals(self, handle: Handle, call: Call) -> list[Baked]:
        values, program = self.program(handle, self.placed(handle, call), False, 0)
        return literals_in(jax.make_jaxpr(program)(values))

    # -- training ----------------------------------------------------------------------------------------------

    def trained(self, handle: Handle, scope: Scope) -> list[str]:
        """The paths of what an optimizer is handed."""
        return [path for path, leaf in self.leaves(handle).items() if leaf.trainable and inexact(leaf.value)]

    def train(
        self, handle: Handle, calls: Sequence[Call], optimizer: Optimizer, scope: Scope = "trainable", seed: int = 0
    ) -> Handle:
        begin, step = stepper(optimizer)
        paths = self.trained(handle, scope)
        slots = begin(self._values(handle, paths)) if paths else None
        for number, call in enumerate(calls):
            if not paths:
                _, handle = self.run(handle, call, training=True, seed=seed + number)
                continue
            gradients, handle = self.differentiated(handle, paths, call, seed + number)
            self.settle(handle)
            if gradients is not None:
                values, slots = step(gradients, slots, self._values(handle, paths))
                handle = self.put(handle, values)
        return handle

    def settle(self, handle: Handle) -> None:
        """Where a module keeps what stood for an array while a gradient was computed, put the array itself, which is
        what it would have kept in a pass alone."""
        for holding in Walk(self.is_array, self.parts, self.internals).holdings(self.root(handle)):
            value = holding.value
            while isinstance(value, jax.core.Tracer) and hasattr(value, "primal"):
                value = value.primal
            if value is not holding.value and not isinstance(value, jax.core.Tracer):
                with contextlib.suppress(Exception):  # a place that cannot be written
                    holding.put(value)

    def _values(self, handle: Handle, paths: Sequence[str]) -> dict[str, jax.Array]:
        leaves = self.leaves(handle)
        return {path: jnp.asarray(leaves[path].value) for path in paths}

    def differentiated(
        self, handle: Handle, paths: Sequence[str], call: Call, seed: int, training: bool = True
    ) -> tuple[dict[str, jax.Array] | None, Handle]:
        """The gradient of the loss by the arrays at these paths, ``None`` where no output is a float, and the handle
        after the pass. The pass is not compiled: what a module keeps in Python is moved by every step."""
        given = self.placed(handle, call)
        kept: dict[str, Any] = {}

        def loss(values: dict[str, jax.Array]) -> tuple[jax.Array, dict[str, Any]]:
            outputs, after = self.passed(self.put(handle, values), given, training, seed)
            found = loss_of(outputs)
            kept.update(after=after, floats=found is not None)
            now = {path: leaf.value for path, leaf in self.leaves(after).items()}
            return nothing() if found is None else found, now

        gradients, now = gradient(loss, self._values(handle, paths))
        return gradients if kept["floats"] else None, self.put(kept["after"], now)

    def gradients(self, handle: Handle, call: Call, *, training: bool = True) -> dict[str, Array | None]:
        """``None`` also where a gradient is zero, since JAX does not tell the two apart."""
        paths = self.trained(handle, "trainable")
        found: dict[str, Array | None] = {p: None for p, leaf in self.leaves(handle).items() if leaf.trainable}
        gradients, _ = self.differentiated(handle, paths, call, 0, training) if paths else ({}, handle)
        for path, gradient_of in (gradients or {}).items():
            array = to_numpy(gradient_of)
            found[path] = array if np.any(array) else None
        return found

    # -- storing -----------------------------------------------------------------------------------------------

    def save(self, handle: Handle) -> Any:
        return {path: bits(leaf.value) for path, leaf in self.leaves(handle).items()}

    def load(self, handle: Handle, saved: Any) -> Handle:
        leaves = self.leaves(handle)
        require_same(saved, {path: form_of(leaf.value) for path, leaf in leaves.items()})
        return self.put(handle, {path: alike(value, leaves[path].value) for path, value in saved.items()})

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle")

    def copy(self, handle: Handle, how: str) -> Handle:
        return copied(handle, how)

    # -- placing -----------------------------------------------------------------------------------------------

    def devices(self) -> tuple[str, ...]:
        return other_devices()

    def move(self, handle: Handle, device: str) -> Handle:
        target = device_named(device)
        arrays = {p: leaf.value for p, leaf in self.leaves(handle).items() if isinstance(leaf.value, ARRAYS)}
        return self.put(handle, {path: jax.device_put(array, target) for path, array in arrays.items()})

    def moved(self, item: Any, device: str) -> Any:
        return jax.device_put(item, device_named(device))

    def cast(self, handle: Handle, dtype: str) -> Handle:
        """As users do who map ``astype`` over the floating leaves."""
        if dtype == "float64" and not jax.config.read("jax_enable_x64"):
            raise Unsupported("JAX has no float64 outside of its x64 mode")
        wanted = dtype_named(dtype)
        arrays = {path: leaf.value for path, leaf in self.leaves(handle).items() if isinstance(leaf.value, ARRAYS)}
        floats = {path: array for path, array in arrays.items() if is_float(str(array.dtype))}
        return self.put(handle, {path: astype(value, wanted) for path, value in floats.items()})

    def replicas(self, calls: Sequence[Call], steps: int) -> list[tuple[Mapping[str, Array], Mapping[str, Array]]]:
        raise Unsupported("JAX runs one program on all devices: replicas are parts of one array and cannot differ")
