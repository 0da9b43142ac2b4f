"""What Keras leaves to TensorFlow: gradients, tracing, devices."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from constate.backend import REPLICAS, Compiled, Gradients, Optimizer, Spec, Spread
from constate.state import Array
from constate_keras.native import OPTIMIZERS, Native, call
from constate_keras.tensorflow import spreading
from constate_keras.walk import variables

CPUS = 2


def several_cpus() -> None:
    """Give TensorFlow a second CPU device, if nothing has run in this process yet."""
    processors = tf.config.list_physical_devices("CPU")
    try:
        tf.config.set_logical_device_configuration(processors[0], [tf.config.LogicalDeviceConfiguration()] * CPUS)
    except RuntimeError:  # TensorFlow is running; its devices stay what they are
        return


class CompiledModel:
    """A model under ``tf.function``, with a count of its traces."""

    def __init__(self, native: Native) -> None:
        self.traces = 0
        self._native = native
        self._program = tf.function(self._trace)

    def _trace(self, model: keras.Model, tensors: list[tf.Tensor], training: bool) -> tf.Tensor:
        self.traces += 1
        return call(model, tensors, training)

    def __call__(self, handle: keras.Model, *inputs: Array, training: bool = False) -> tuple[Array, keras.Model]:
        with self._native.where(handle):
            outputs = self._program(handle, [tf.convert_to_tensor(array) for array in inputs], training)
        return outputs.numpy(), handle


class OnTensorFlow(Native):
    """The verbs that Keras leaves to TensorFlow."""

    name = "keras-tensorflow"

    def __init__(self) -> None:
        several_cpus()

    def versions(self) -> dict[str, str]:
        # The distribution is called tensorflow, tensorflow-cpu or otherwise; the package knows its version.
        return {**super().versions(), "tensorflow": tf.__version__}

    def device_of(self, tensor: Any) -> str:
        if isinstance(tensor, keras.Variable):
            if tensor._value is None:
                return "none"
            tensor = tensor._value
        kind, _, index = tensor.device.split("/")[-1].removeprefix("device:").partition(":")
        return f"{kind}:{index}"

    def devices(self) -> tuple[str, ...]:
        default = self.device_of(tf.zeros(()))
        names = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
        return tuple(name for name in names if name != default)

    def gradients(
        self, handle: keras.Model, inputs: tuple[Array, ...], cotangents: Array, *, training: bool = False
    ) -> Gradients:
        listing = {path: v for path, v in variables(handle).items() if any(v is t for t in handle.trainable_variables)}
        with self.where(handle), tf.GradientTape() as tape:
            tensors = [tf.convert_to_tensor(array) for array in inputs]
            floats = [tensor for tensor in tensors if tensor.dtype.is_floating]
            tape.watch(floats)
            outputs = call(handle, tensors, training)
            total = tf.reduce_sum(outputs * tf.convert_to_tensor(cotangents))
        found = tape.gradient(total, [*floats, *listing.values()])
        by_float = dict(zip(map(id, floats), found[: len(floats)], strict=True))
        by_path = dict(zip(listing, found[len(floats) :], strict=True))
        return Gradients(
            {path: _dense(gradient) for path, gradient in by_path.items() if gradient is not None},
            tuple(_dense(by_float[id(tensor)]) if by_float.get(id(tensor)) is not None else None for tensor in tensors),
        )

    def engine_alive(self) -> dict[str, int]:
        gc.collect()
        tensors, nodes = [], 0
        for item in gc.get_objects():
            if issubclass(type(item), tf.Graph):
                nodes += len(item.get_operations())
            elif issubclass(type(item), (tf.Tensor, tf.Variable)) and not tf.is_symbolic_tensor(item):
                tensors.append(item)
        sized = [t for t in tensors if t.dtype not in (tf.resource, tf.variant) and t.shape.is_fully_defined()]
        total = sum(tensor.shape.num_elements() * tensor.dtype.size for tensor in sized)
        return {"arrays": len(tensors), "bytes": total, "nodes": nodes}

    def step(self, handle: keras.Model, batch: tuple[Array, ...], listing: list[keras.Variable]) -> list[Any]:
        with self.where(handle), tf.GradientTape() as tape:
            loss = tf.reduce_mean(call(handle, [tf.convert_to_tensor(array) for array in batch], True) ** 2)
            for variable in handle.trainable_variables:
                loss += tf.reduce_mean(tf.square(variable))
        gradients: list[Any] = tape.gradient(loss, listing)
        return gradients

    def spread(
        self, spec: Spec, state: Mapping[str, Array], batches: Sequence[tuple[Array, ...]], optimizer: Optimizer
    ) -> Spread:
        engine = spreading.strategy()
        with engine.scope():
            handle = self.begun(spec, state)
            listing, stepper = self.optimized(handle, "trainable"), OPTIMIZERS[optimizer]()
            stepper.build(listing)
        born = spreading.on_each(handle)

        def step(*inputs: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(call(handle, inputs, True) ** 2)
                for variable in handle.trainable_variables:
                    loss += tf.reduce_mean(tf.square(variable))
                loss /= REPLICAS  # the gradients of the replicas are added up
            stepper.apply(tape.gradient(loss, listing), listing)

        spreading.run(engine, step, batches)
        return Spread(born, spreading.on_each(handle))

    def compile(self, handle: keras.Model) -> Compiled:
        return CompiledModel(self)

    def literals(self, handle: keras.Model, inputs: tuple[Array, ...]) -> list[int]:
        program = tf.function(lambda *tensors: call(handle, tensors, False))
        traced = program.get_concrete_function(*map(tf.convert_to_tensor, inputs))
        captured = [tensor.nbytes for tensor in _arrays(traced.captured_inputs)]
        definition = traced.graph.as_graph_def()
        nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
        baked = [tf.make_ndarray(node.attr["value"].tensor).nbytes for node in nodes if node.op == "Const"]
        return captured + baked


def _arrays(captured: Sequence[tf.Tensor]) -> list[Array]:
    """The captured tensors that hold values; a captured variable is a handle of type ``resource``."""
    return [tensor.numpy() for tensor in captured if tensor.dtype not in (tf.resource, tf.variant)]


def _dense(gradient: Any) -> Array:
    return np.array(tf.convert_to_tensor(gradient).numpy())
