"""Keras: the instruments of an audit, for any layer or model. What depends on the Keras backend is added by a subclass
for each."""

from __future__ import annotations

import copy
import pickle
import re
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import keras
import numpy as np

from constate.backend import Optimizer
from constate.errors import Refused, Unsupported, UsageError
from constate.instruments import Baked, Held, Instruments, Outputs, Replaced, Scope
from constate.instruments.holdings import Part
from constate.instruments.inputs import Call, Inputs
from constate.state import Array
from constate_keras.auditing import configuring, construction, passing, state, storing, walking
from constate_keras.auditing.fixes import FIXES
from constate_keras.rebuilding import again

OPTIMIZERS: dict[Optimizer, Callable[[], keras.Optimizer]] = {
    "sgd": lambda: keras.optimizers.SGD(0.01),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
}


class Keras(Instruments):
    """Keras' own verbs."""

    requires = ("keras", "h5py")
    internals = frozenset({"keras"})
    fixes = FIXES

    def __init__(self, factory: Callable[[], Any]) -> None:
        super().__init__(factory)
        self._found: tuple[Any, dict[str, state.Place]] | None = None
        self._written: dict[frozenset[str], list[str]] = {}
        self._replaced: list[Replaced] = []

    # -- what Keras leaves to its backend ------------------------------------------------------------------------

    @abstractmethod
    def seed_engine(self, seed: int) -> None:
        """Seed what ``keras.utils.set_random_seed`` leaves alone."""

    @abstractmethod
    def tensor(self, array: Array) -> Any:
        """An array of the engine."""

    @abstractmethod
    def components(self, item: Any) -> list[Any] | None:
        """The arrays with numbers in them of an array of the engine: several of one that is ragged or sparse, none of
        the handle of a table; ``None`` for anything else."""

    @abstractmethod
    def on(self, device: str | None) -> AbstractContextManager[Any]:
        """The scope of a device, in which arrays on other devices are not copied in silence."""

    @abstractmethod
    def backward(self, forward: Callable[[], list[Any]], listing: list[Any]) -> list[Any]:
        """The gradients of the loss on the outputs of a pass, ``None`` where none reaches a variable."""

    @abstractmethod
    def traced(self, forward: Callable[..., Any], tensors: list[Any]) -> Iterator[Baked]:
        """The literals in the program of ``forward``."""

    # -- making ------------------------------------------------------------------------------------------------

    @classmethod
    def owns(cls, made: object) -> bool:
        return isinstance(made, keras.Layer)

    def infer_inputs(self, made: object) -> Inputs | None:
        for inputs in passing.inferred(made):
            with suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.run(self.build(0), inputs.first())[0]:
                    return inputs
        return None

    def build(self, seed: int) -> Any:
        self._found = None
        self._seed(seed)
        with construction.forgetting(), construction.assignments() as found:
            handle = self.factory()
            self._build(handle)
        self._replaced = list(construction.replaced(found, state.places(handle), self.value)) if found else []
        return handle

    def _build(self, handle: Any) -> None:
        """Build a layer or model as Keras does before its first call, and run it only where layers within are built by
        nothing else."""
        if handle.built and not state.unbuilt(handle):
            return
        if self.inputs is None:
            if not handle.built:
                raise UsageError("is not built, and its inputs are not known; give them: inputs=['f32[8,16]']")
            return
        call = self._tensors(self.inputs.first())
        with construction.forgetting(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras says so of every layer that only a call can build
            if not handle.built:
                construction.build(handle, lambda: passing.invoke(handle, call, False))
            if state.unbuilt(handle):
                passing.invoke(handle, call, False)

    def replaced(self) -> list[Replaced]:
        return self._replaced

    def _seed(self, seed: int, handle: Any = None) -> None:
        """Seed everything random, the generators within a layer included: a pass draws from those."""
        keras.utils.set_random_seed(seed)
        self.seed_engine(seed)
        for number, generator in enumerate(state.generators(handle) if handle is not None else ()):
            generator.state.assign(np.array([seed + 7919 * (number + 1), 0]))

    # -- state -------------------------------------------------------------------------------------------------

    def entries(self, handle: Any) -> dict[str, Held]:
        self._found = None
        trained = {id(variable) for variable in self._listed(handle)}
        found = self._places(handle)
        written = {id(found[path].variable) for path in self.listing(handle)}
        return {
            path: Held(
                path=path,
                shape=tuple(place.variable.shape),
                dtype=place.variable.dtype,
                device=self.device(place.variable),
                trainable=id(place.variable) in trained,
                persistent=id(place.variable) in written,
                identity=self.address(place.variable),
                owner=type(place.holder),
                name=place.name,
            )
            for path, place in found.items()
        }

    def _places(self, handle: Any) -> dict[str, state.Place]:
        """The variables by path; found again after whatever may have changed them."""
        if self._found is None or self._found[0] is not handle:
            self._found = (handle, state.places(handle))
        return self._found[1]

    def _listed(self, handle: Any) -> list[Any]:
        """What an optimizer is handed. Keras itself hands it nothing else, so that there is no careless listing."""
        return list(handle.trainable_variables)

    def listing(self, handle: Any) -> list[str]:
        """What comes back from Keras' files, tried once for each set of variables; everything, where they do not load:
        the laws that save and load will say so."""
        paths = frozenset(self._places(handle))
        if paths not in self._written:
            try:
                self._written[paths] = storing.restored(handle, self.value)
            except Exception:
                self._written[paths] = list(self._places(handle))
        return self._written[paths]

    def read(self, handle: Any, path: str) -> Array:
        return self.value(self._places(handle)[path].variable)

    def write(self, handle: Any, path: str, value: Array) -> Any:
        self._places(handle)[path].variable.assign(value)
        return handle

    # -- what is held outside of the state -----------------------------------------------------------------------

    def parts(self, item: Any) -> Iterator[Part] | None:
        return walking.parts(item, self.is_array)

    # -- running -----------------------------------------------------------------------------------------------

    def _tensors(self, call: Call) -> Call:
        return call.map(lambda leaf: self.tensor(leaf) if isinstance(leaf, np.ndarray) else leaf)

    @contextmanager
    def _at_home(self, handle: Any) -> Iterator[None]:
        """The scope of the device where the module is."""
        first = next(iter(self._places(handle).values()), None)
        self._found = None
        try:
            with self.on(None if first is None else self.device(first.variable)):
                yield
        finally:
            self._found = None

    def run(self, handle: Any, call: Call, *, training: bool = False, seed: int = 0) -> tuple[Outputs, Any]:
        self._seed(seed, handle)
        with self._at_home(handle):
            outputs = passing.invoke(handle, self._tensors(call), training)
            return {path: self._bits(item) for path, item in passing.flat(outputs, self.components)}, handle

    def _bits(self, item: Any) -> Array:
        return item if isinstance(item, np.ndarray) else self.value(item)

    def _gradients(self, handle: Any, call: Call, listing: list[Any], training: bool = True) -> list[Any]:
        """The gradients of the loss of one pass."""

        def forward() -> list[Any]:
            found = passing.flat(passing.invoke(handle, self._tensors(call), training), self.components)
            return [item for _, item in found if not isinstance(item, np.ndarray)]

        with self._at_home(handle):
            return self.backward(forward, listing)

    def train(
        self, handle: Any, calls: Sequence[Call], optimizer: Optimizer, scope: Scope = "trainable", seed: int = 0
    ) -> Any:
        self._seed(seed, handle)
        stepper, listing = OPTIMIZERS[optimizer](), self._listed(handle)
        if listing:
            stepper.build(listing)
        for call in calls:
            gradients = self._gradients(handle, call, listing)
            if any(gradient is not None for gradient in gradients):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of variables without a gradient; a warning is no refusal
                    stepper.apply(gradients, listing)
        return handle

    def gradients(self, handle: Any, call: Call, *, training: bool = True) -> dict[str, Array | None]:
        self._seed(0, handle)
        listing = self._listed(handle)
        found = self._gradients(handle, call, listing, training)
        arrays = [None if gradient is None else self.value(gradient) for gradient in found]
        by_variable = dict(zip(map(id, listing), arrays, strict=True))
        return {
            path: by_variable[id(place.variable)]
            for path, place in self._places(handle).items()
            if id(place.variable) in by_variable
        }

    def literals(self, handle: Any, call: Call) -> list[Baked]:
        self._seed(0, handle)
        with self._at_home(handle):
            tensors, again = passing.rebuilding(self._tensors(call), self.is_array)
            return list(self.traced(lambda *others: passing.invoke(handle, again(list(others)), False), tensors))

    # -- storing -----------------------------------------------------------------------------------------------

    def save(self, handle: Any) -> bytes:
        return storing.saved(handle)

    def load(self, handle: Any, saved: bytes) -> Any:
        self._found = None
        storing.load(handle, saved)
        return handle

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle", "from_config")

    def lacking(self, handle: Any) -> str | None:
        try:
            with self._copying({}):
                copy.deepcopy(handle)
        except Exception as error:
            if located := re.match("Could not locate class '(.*?)'", str(error)):
                return (
                    f"Keras copies and pickles by way of a configuration, and {located[1]} is not registered for it: "
                    "@keras.saving.register_keras_serializable()"
                )
        return None

    def hindrance(self, handle: Any, how: str) -> str | None:
        with self._copying(state.classes(handle)):
            return configuring.hindrance(handle)

    def copy(self, handle: Any, how: str) -> Any:
        with self._copying(state.classes(handle)):
            return self._copy(handle, how)

    @contextmanager
    def _copying(self, classes: dict[str, type]) -> Iterator[None]:
        """Keras copies by its own saving, which finds classes that are registered, or that a scope names."""
        with construction.forgetting(), keras.saving.custom_object_scope(classes), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what counts is what the copy is
            yield

    def _copy(self, handle: Any, how: str) -> Any:
        if how == "deepcopy":
            return copy.deepcopy(handle)
        if how == "pickle":
            return pickle.loads(pickle.dumps(handle))
        try:
            if isinstance(handle, keras.Function | keras.Sequential):
                made = keras.models.clone_model(handle)
            else:
                made = again(handle)
        except (NotImplementedError, Refused) as absent:
            raise Unsupported(f"the module has no configuration to be made again of: {absent}") from absent
        self._build(made)
        return self._given(made, handle)

    def _given(self, made: Any, handle: Any) -> Any:
        """A module with the values of another."""
        self._found = None
        old, new = state.places(handle), state.places(made)
        shapes = [[place.variable.shape for place in places.values()] for places in (old, new)]
        if old.keys() != new.keys() and shapes[0] == shapes[1]:  # layers that get other names when they are made again
            new = dict(zip(old, new.values(), strict=True))
        for path, place in new.items():
            if path in old:
                place.variable.assign(self.value(old[path].variable))
        state.finalize(made)
        return made

    # -- placing -----------------------------------------------------------------------------------------------

    def move(self, handle: Any, device: str) -> Any:
        """A variable stays where it was made: make another module there, and give it the values."""
        with keras.device(device):
            return self._given(self.build(0), handle)

    def cast(self, handle: Any, dtype: str) -> Any:
        """A variable keeps its type: make another module under that policy, and give it the values."""
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(dtype)
        try:
            return self._given(self.build(0), handle)
        finally:
            keras.config.set_dtype_policy(policy)

    # -- freezing ----------------------------------------------------------------------------------------------

    def freeze(self, handle: Any, frozen: bool) -> Any:
        handle.trainable = not frozen
        return handle

    def born_frozen(self, handle: Any) -> frozenset[str]:
        born = state.born_untrainable(handle)
        return frozenset(path for path, place in self._places(handle).items() if id(place.variable) in born)
