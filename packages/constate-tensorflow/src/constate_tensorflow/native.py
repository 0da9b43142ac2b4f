"""TensorFlow as it is: the verbs of ``tf.Module`` and its companions, called as the documentation calls them."""

from __future__ import annotations

import contextlib
import copy
import inspect
import pickle
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.tensorflow
import tensorflow as tf

from constate.backend import REPLICAS, Backend, Compiled, Gradients, Optimizer, Scope, Spec, Spread, Trained
from constate.errors import Unsupported
from constate.reach import arrays_within
from constate.state import Array, Kind, Seen
from constate_tensorflow import spreading
from constate_tensorflow.state import derived
from constate_tensorflow.tree import alive, device_of, held, is_array, persistent, places, replicas

OPTIMIZERS: dict[Optimizer, Callable[[], Any]] = {
    "sgd": lambda: tf.keras.optimizers.SGD(0.01, momentum=0.9),
    "adam": lambda: tf.keras.optimizers.Adam(0.01),
    "adamw": lambda: tf.keras.optimizers.AdamW(0.01, weight_decay=0.1),
}


def two_devices() -> None:
    """Split the processor into two logical devices, unless the runtime has started."""
    processor = tf.config.list_physical_devices("CPU")[0]
    with contextlib.suppress(RuntimeError):  # too late: the laws about devices then have one device
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


def call(module: Any, training: bool, *inputs: Any) -> Any:
    """The outputs; the mode is given to a module that has one."""
    if "training" in inspect.signature(module).parameters:
        return module(*inputs, training=training)
    return module(*inputs)


class CompiledModule:
    """``tf.function`` of a module's call."""

    def __init__(self, run: Callable[..., tuple[Array, Any]]) -> None:
        self._program = tf.function(call)
        self._run = run

    def __call__(self, handle: Any, *inputs: Array, training: bool = False) -> tuple[Array, Any]:
        return self._run(handle, *inputs, training=training, program=self._program)

    @property
    def traces(self) -> int:
        return int(self._program.experimental_get_tracing_count())


class Native(Backend):
    """TensorFlow's own verbs."""

    name = "tensorflow"
    flavour = "native"
    package = "constate_tensorflow"
    separator = "/"
    requires = ("keras", "safetensors")

    def __init__(self) -> None:
        two_devices()
        tf.get_logger().setLevel("ERROR")  # what counts is what a verb does or raises, not what it logs

    def versions(self) -> dict[str, str]:
        # The distribution is called tensorflow, tensorflow-cpu or otherwise; the package knows its version.
        return {"tensorflow": tf.__version__, **super().versions()}

    def factory(self, module: str, config: Mapping[str, Any], seed: int) -> Callable[[], Any]:
        cls = self.module_class(module)
        return lambda: cls(**config)

    def build(self, spec: Spec, *, device: str | None = None) -> Any:
        tf.random.set_seed(spec.seed)
        with tf.device(device):
            return spec.factory()

    def abstract(self, spec: Spec) -> Any:
        raise Unsupported(
            "Eager TensorFlow has no build without memory: tf.Variable requires an initial value, and a variable that "
            "was made in a tf.Graph stays in that graph.",
            "https://www.tensorflow.org/api_docs/python/tf/Variable",
        )

    def materialise(self, handle: Any, spec: Spec) -> Any:
        return self.abstract(spec)

    def shared(self, spec: Spec, names: Mapping[str, str]) -> Spec:
        def make() -> Any:
            module = spec.factory()
            for path, name in names.items():
                place = places(module)[path]
                setattr(module, name, place.array if place.tracked else module._no_dependency(place.array))
            return module

        return replace(spec, factory=make)

    def entries(self, handle: Any) -> dict[str, Seen]:
        trained = {id(variable) for variable in handle.trainable_variables}
        return {
            path: Seen(
                path=path,
                shape=tuple(place.array.shape),
                dtype=place.array.dtype.name,
                device=device_of(place.array),
                trainable=id(place.array) in trained,
                persistent=place.tracked,
                # Two variables share memory if they have one handle. A tensor never changes: the object is the memory.
                identity=id(array.handle if isinstance(array, tf.Variable) else array),
            )
            for path, place in places(handle).items()
            for array in replicas(place.array)[:1]
        }

    def listing(self, handle: Any) -> list[str]:
        return [f"{path}/.ATTRIBUTES/VARIABLE_VALUE" for path in persistent(handle)]

    def read(self, handle: Any, path: str) -> Array:
        return np.array(places(handle)[path].array.numpy())

    def write(self, handle: Any, path: str, value: Array) -> Any:
        place = places(handle)[path]
        if isinstance(place.array, tf.Variable):
            place.array.assign(value)
        else:
            with tf.device(place.array.device):
                setattr(place.owner, place.name, tf.constant(value))
        return handle

    def strays(self, handle: Any) -> dict[str, str]:
        known = {id(place.array) for place in places(handle).values()}
        return {path: device_of(array) for path, array in held(handle) if id(array) not in known}

    def forward(self, handle: Any, *inputs: Array, training: bool = False, program: Any = call) -> tuple[Array, Any]:
        with tf.device(home(handle)):
            outputs = program(handle, training, *map(tf.constant, inputs))
        return outputs.numpy(), handle

    def gradients(
        self, handle: Any, inputs: tuple[Array, ...], cotangents: Array, *, training: bool = False
    ) -> Gradients:
        arguments = [tf.constant(array) for array in inputs]
        floats = [argument for argument in arguments if argument.dtype.is_floating]
        reached = {
            path: place.array
            for path, place in places(handle).items()
            if isinstance(place.array, tf.Variable) and place.array.trainable
        }
        with tf.GradientTape() as tape:
            tape.watch(floats)
            total = tf.reduce_sum(call(handle, training, *arguments) * cotangents)
        found = tape.gradient(total, [*floats, *reached.values()])
        # Looking up rows gives a gradient in slices, which becomes a tensor here.
        arrays = [None if gradient is None else tf.convert_to_tensor(gradient).numpy() for gradient in found]
        by_argument = dict(zip(map(id, floats), arrays[: len(floats)], strict=True))
        by_path = dict(zip(reached, arrays[len(floats) :], strict=True))
        return Gradients(
            {path: array for path, array in by_path.items() if array is not None},
            tuple(by_argument.get(id(argument)) for argument in arguments),
        )

    def apply(self, optimizer: Any, gradients_and_variables: Iterable[tuple[Any, Any]]) -> None:
        """One step of a Keras optimizer."""
        optimizer.apply_gradients(gradients_and_variables)

    def train(self, handle: Any, batches: Sequence[tuple[Array, ...]], optimizer: Optimizer, scope: Scope) -> Trained:
        stepper = OPTIMIZERS[optimizer]()
        variables = handle.variables if scope == "careless" else handle.trainable_variables
        for batch in batches:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(call(handle, True, *map(tf.constant, batch))))
                loss += tf.add_n([tf.reduce_mean(tf.square(parameter)) for parameter in handle.trainable_variables])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of variables without a gradient; a warning is no refusal
                self.apply(stepper, zip(tape.gradient(loss, variables), variables, strict=True))
        slots = {id(variable) for variable in stepper._trainable_variables}
        return Trained(handle, frozenset(path for path, place in places(handle).items() if id(place.array) in slots))

    def spread(
        self, spec: Spec, state: Mapping[str, Array], batches: Sequence[tuple[Array, ...]], optimizer: Optimizer
    ) -> Spread:
        engine = spreading.strategy()
        with engine.scope():
            handle = self.begun(spec, state)
            trained = handle.trainable_variables
            stepper = OPTIMIZERS[optimizer]()
            stepper.build(trained)
        born = spreading.on_each(handle)

        def step(*inputs: Any) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(call(handle, True, *inputs)))
                loss += tf.add_n([tf.reduce_mean(tf.square(parameter)) for parameter in trained])
                loss /= REPLICAS  # the gradients of the replicas are added up
            self.apply(stepper, zip(tape.gradient(loss, trained), trained, strict=True))

        spreading.run(engine, step, batches)
        return Spread(born, spreading.on_each(handle))

    def alive(self, handle: Any) -> dict[str, int]:
        numbers = sum(1 for _ in arrays_within(handle, lambda item: isinstance(item, float | np.generic | np.ndarray)))
        return {**alive(), "numbers": numbers}

    def compile(self, handle: Any) -> Compiled:
        return CompiledModule(self.forward)

    def literals(self, handle: Any, inputs: tuple[Array, ...]) -> list[int]:
        program = tf.function(call).get_concrete_function(handle, False, *map(tf.constant, inputs))
        # A captured variable is a handle, of type resource; a captured tensor is the value that it had.
        captured = [tensor.numpy().nbytes for tensor in program.captured_inputs if is_array(tensor)]
        definition = program.graph.as_graph_def()
        nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
        return captured + [tf.make_ndarray(node.attr["value"].tensor).nbytes for node in nodes if node.op == "Const"]

    def formats(self) -> dict[str, str]:
        return {"tf.train.Checkpoint": "", "safetensors": ".safetensors"}

    @property
    def exchange_format(self) -> str | None:
        return "safetensors"

    def save(self, handle: Any, path: Path, format: str) -> None:
        if format == "tf.train.Checkpoint":
            tf.train.Checkpoint(handle).write(str(path))
        else:
            safetensors.tensorflow.save_file(persistent(handle), path)

    def load(self, handle: Any, path: Path, format: str, spec: Spec | None = None) -> Any:
        if format == "tf.train.Checkpoint":
            tf.train.Checkpoint(handle).read(str(path)).assert_consumed()
        else:
            tensors = safetensors.tensorflow.load_file(path)
            for name, variable in persistent(handle).items():
                variable.assign(tensors[name])
        return handle

    def stored(self, path: Path, format: str) -> list[Array]:
        if format == "safetensors":
            return [np.asarray(tensor) for tensor in safetensors.tensorflow.load_file(path).values()]
        reader = tf.train.load_checkpoint(str(path))
        names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
        return [np.asarray(reader.get_tensor(name)) for name in names]

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy", "pickle")

    def copy(self, handle: Any, how: str) -> Any:
        return copy.deepcopy(handle) if how == "deepcopy" else pickle.loads(pickle.dumps(handle))

    def devices(self) -> tuple[str, ...]:
        names = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
        return tuple(name for name in names if name != device_of(tf.zeros(())))[:2]

    def move(self, handle: Any, device: str, spec: Spec) -> Any:
        """A variable stays where it was made: make another module there, and give it the values."""
        moved = self.build(spec, device=device)
        for new, old in zip(moved.variables, handle.variables, strict=True):
            new.assign(old)
        return moved

    def cast(self, handle: Any, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> Any:
        raise Unsupported(
            "The type of a tf.Variable is fixed after construction, and tf.Module has no verb that makes its variables "
            "again in another.",
            "https://www.tensorflow.org/api_docs/python/tf/Variable",
        )

    def register(
        self, handle: Any, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> Any:
        setattr(handle, name, self.entry(name, value, kind))
        return handle

    def entry(self, name: str, value: Array, kind: Kind) -> Any:
        """What one puts on an attribute."""
        if kind is Kind.DERIVED:
            return derived(value)
        return tf.Variable(value, trainable=kind is Kind.PARAMETER, name=name)

    def register_none(self, handle: Any, name: str) -> Any:
        setattr(handle, name, None)
        return handle

    def taken(self, handle: Any) -> dict[str, str]:
        public = {name: value for name, value in vars(handle).items() if not name.startswith("_")}
        names = {
            "attribute": [n for n, v in public.items() if not is_array(v) and not isinstance(v, tf.Module)],
            "parameter": [n for n, v in public.items() if isinstance(v, tf.Variable) and v.trainable],
            "submodule": [n for n, v in public.items() if isinstance(v, tf.Module)],
            "method": ["__call__"],
        }
        return {what: found[0] for what, found in names.items() if found}

    def assign(self, handle: Any, path: str, value: Any) -> Any:
        place = places(handle)[path]
        if isinstance(place.array, tf.Variable):
            place.array.assign(value)
        else:
            setattr(place.owner, place.name, tf.constant(value))
        return handle

    def freeze(self, handle: Any, frozen: bool) -> Any:
        raise Unsupported(
            "tf.Variable.trainable cannot be set after construction: one freezes by leaving variables out of what is "
            "handed to the tape and to the optimizer.",
            "https://github.com/tensorflow/tensorflow/issues/60004",
        )


def home(handle: Any) -> str | None:
    """The device of the module's first array."""
    return next((place.array.device for place in places(handle).values()), None)
