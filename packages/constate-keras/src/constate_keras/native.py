"""Keras as it is: its own verbs, called as its documentation calls them. Nothing here depends on a Keras backend."""

from __future__ import annotations

import copy
import dataclasses
import io
import pickle
import warnings
import zipfile
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import h5py
import keras
import ml_dtypes
import numpy as np

from constate.backend import Backend, Optimizer, Scope, Spec, Trained
from constate.errors import Unsupported
from constate.reach import arrays_within
from constate.state import Array, Kind, Seen
from constate_keras.rebuilding import again, extended, rebuilt, sharing
from constate_keras.walk import root, saved, variables

OPTIMIZERS: dict[Optimizer, Callable[[], keras.Optimizer]] = {
    "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
}


def as_model(made: keras.Layer, inputs: Sequence[Array]) -> keras.Model:
    """A built model: the one that a factory made, or a functional model around the layer that it made."""
    if isinstance(made, keras.Model) and made.built:
        return made
    # Every dimension but the last may change from call to call.
    shapes = [(None,) * (array.ndim - 2) + array.shape[1:][-1:] for array in inputs]
    slots = [keras.Input(shape, dtype=str(array.dtype)) for shape, array in zip(shapes, inputs, strict=True)]
    outputs = made(*slots)
    return made if isinstance(made, keras.Model) else keras.Model(slots, outputs, name="model")


def call(model: keras.Model, tensors: Sequence[Any], training: bool) -> Any:
    """The model on its inputs: a functional model takes several of them as a list, a subclassed one as arguments."""
    if isinstance(model, keras.Function | keras.Sequential):
        return model(list(tensors) if len(tensors) > 1 else tensors[0], training=training)
    return model(*tensors, training=training)


class Native(Backend):
    """Keras' own verbs. What depends on the Keras backend is added by a subclass for each."""

    flavour = "native"
    package = "constate_keras"
    separator = "/"
    requires: ClassVar[tuple[str, ...]] = ("keras", "h5py")

    @abstractmethod
    def device_of(self, tensor: Any) -> str:
        """The device of a variable or a tensor of the Keras backend, as Keras spells it."""

    @abstractmethod
    def engine_alive(self) -> dict[str, int]:
        """The arrays of the Keras backend in this process, their bytes, and the nodes of its graphs if it has any."""

    @abstractmethod
    def step(self, handle: keras.Model, batch: tuple[Array, ...], listing: list[keras.Variable]) -> list[Any]:
        """The gradients of the training loss with respect to the variables of ``listing``, in training mode."""

    def factory(self, module: str, config: Mapping[str, Any], seed: int) -> Callable[[], keras.Layer]:
        cls = self.module_class(module)
        return lambda: cls(**config, name=module)

    def build(self, spec: Spec, *, device: str | None = None) -> keras.Model:
        keras.utils.set_random_seed(spec.seed)
        with keras.device(device) if device else nullcontext():
            return as_model(spec.factory(), spec.inputs)

    def abstract(self, spec: Spec) -> keras.Model:
        raise Unsupported(
            "Keras documents no way to build a model without memory: StatelessScope has an argument for it, "
            "initialize_variables, of which its documentation says nothing.",
            "https://keras.io/api/scope/scope_classes",
        )

    def materialise(self, handle: keras.Model, spec: Spec) -> keras.Model:
        return self.abstract(spec)

    def shared(self, spec: Spec, names: Mapping[str, str]) -> Spec:
        return dataclasses.replace(spec, factory=lambda: sharing(spec.factory(), names))

    def is_shared(self, handle: keras.Model, path: str, name: str) -> bool:
        found = variables(handle).get(path)  # a layer lists a variable once, whatever the attributes that it has
        return found is not None and found is getattr(root(handle), name, None)

    def entries(self, handle: keras.Model) -> dict[str, Seen]:
        trainable = {id(variable) for variable in handle.trainable_variables}
        persistent = {id(variable) for variable in self.saved(handle)}
        return {
            path: Seen(
                path=path,
                shape=tuple(variable.shape),
                dtype=variable.dtype,
                device=self.device_of(variable),
                trainable=id(variable) in trainable,
                persistent=id(variable) in persistent,
                identity=id(variable if variable._value is None else variable._value),
            )
            for path, variable in variables(handle).items()
        }

    def saved(self, handle: keras.Model) -> list[keras.Variable]:
        """The variables that this flavour's save writes."""
        return saved(handle)

    def listing(self, handle: keras.Model) -> list[str]:
        return [variable.path for variable in saved(handle)]

    def read(self, handle: keras.Model, path: str) -> Array:
        return np.array(variables(handle)[path].numpy())

    def write(self, handle: keras.Model, path: str, value: Array) -> keras.Model:
        variables(handle)[path].assign(value)
        return handle

    def strays(self, handle: keras.Model) -> dict[str, str]:
        registered = {id(variable) for variable in variables(handle).values()}
        return {
            path: self.device_of(item)
            for path, item in arrays_within(handle, lambda i: isinstance(i, keras.Variable) or keras.ops.is_tensor(i))
            if id(item) not in registered
        }

    def where(self, handle: keras.Model) -> Any:
        """The device scope of the module."""
        found = next(iter(handle.variables), None)
        return nullcontext() if found is None else keras.device(self.device_of(found))

    def forward(self, handle: keras.Model, *inputs: Array, training: bool = False) -> tuple[Array, keras.Model]:
        with self.where(handle):
            outputs = call(handle, [keras.ops.convert_to_tensor(array) for array in inputs], training)
        return np.array(keras.ops.convert_to_numpy(outputs)), handle

    def optimized(self, handle: keras.Model, scope: Scope) -> list[keras.Variable]:
        """What the optimizer gets; ``careless`` is ``model.variables``, which is as near at hand."""
        return list(handle.variables if scope == "careless" else handle.trainable_variables)

    def train(
        self, handle: keras.Model, batches: Sequence[tuple[Array, ...]], optimizer: Optimizer, scope: Scope
    ) -> Trained:
        stepper, listing = OPTIMIZERS[optimizer](), self.optimized(handle, scope)
        stepper.build(listing)
        for batch in batches:
            gradients = self.step(handle, batch, listing)
            with warnings.catch_warnings():  # a warning is no refusal, also where warnings are made errors
                warnings.filterwarnings("ignore", "Gradients do not exist", UserWarning)
                stepper.apply(gradients, listing)
        slots = {variable.name for variable in stepper.variables}
        names = {path: variable.path.replace("/", "_") for path, variable in variables(handle).items()}
        return Trained(handle, frozenset(path for path, name in names.items() if f"{name}_momentum" in slots))

    def alive(self, handle: keras.Model) -> dict[str, int]:
        numbers = sum(1 for _ in arrays_within(handle, lambda item: isinstance(item, float | np.generic | np.ndarray)))
        return {**self.engine_alive(), "numbers": numbers}

    def formats(self) -> dict[str, str]:
        return {"weights.h5": ".weights.h5", "keras": ".keras"}

    @property
    def exchange_format(self) -> str | None:
        return None

    def save(self, handle: keras.Model, path: Path, format: str) -> None:
        if format == "keras":
            handle.save(path)
        else:
            handle.save_weights(path)

    def load(self, handle: keras.Model, path: Path, format: str, spec: Spec | None = None) -> keras.Model:
        with warnings.catch_warnings():  # as in train
            warnings.filterwarnings("ignore", "Skipping nested container", UserWarning)
            handle.load_weights(path)
        return handle

    def stored(self, path: Path, format: str) -> list[Array]:
        file: Any = path
        if format == "keras":
            with zipfile.ZipFile(path) as archive:
                file = io.BytesIO(archive.read("model.weights.h5"))
        found: list[Array] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                half = item.attrs.get("dtype") == "bfloat16"
                found.append(np.array(item[()]).view(ml_dtypes.bfloat16) if half else np.array(item[()]))

        with h5py.File(file) as opened:
            opened.visititems(visit)
        return found

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle", "clone_model")

    def copy(self, handle: keras.Model, how: str) -> keras.Model:
        if how == "deepcopy":
            return copy.deepcopy(handle)
        if how == "pickle":
            return pickle.loads(pickle.dumps(handle))
        cloned = keras.models.clone_model(handle)
        cloned.set_weights(handle.get_weights())
        return cloned

    def move(self, handle: keras.Model, device: str, spec: Spec) -> keras.Model:
        with keras.device(device):
            return rebuilt(handle, again)

    def cast(self, handle: keras.Model, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> keras.Model:
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(dtype)
        try:
            return rebuilt(handle, lambda layer: type(layer).from_config(layer.get_config() | {"dtype": dtype}))
        finally:
            keras.config.set_dtype_policy(policy)

    def register(
        self, handle: keras.Model, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> keras.Model:
        return extended(handle, name, value, kind, replace)

    def register_none(self, handle: keras.Model, name: str) -> keras.Model:
        setattr(root(handle), name, None)
        return handle

    def taken(self, handle: keras.Model) -> dict[str, str]:
        base = root(handle)
        plain = vars(keras.Layer())
        mine = {name: value for name, value in vars(base).items() if not name.startswith("_") and name not in plain}
        names = {
            "attribute": [n for n, v in mine.items() if not isinstance(v, keras.Variable | keras.Layer)],
            "parameter": [n for n, v in mine.items() if isinstance(v, keras.Variable) and v.trainable],
            "submodule": [n for n, v in mine.items() if isinstance(v, keras.Layer)],
            "method": ["call"],
        }
        return {what: found[0] for what, found in names.items() if found}

    def assign(self, handle: keras.Model, path: str, value: Any) -> keras.Model:
        variables(handle)[path].assign(value)
        return handle

    def freeze(self, handle: keras.Model, frozen: bool) -> keras.Model:
        handle.trainable = not frozen
        return handle
