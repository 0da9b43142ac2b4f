"""What Keras leaves to TensorFlow: arrays and devices, gradients, tracing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.ops import stateful_random_ops

from constate.instruments import Baked
from constate.instruments.holdings import Part, attributes
from constate.state import Array, describe
from constate_keras.auditing.instruments import Keras
from constate_keras.tensorflow.engine import several_cpus

several_cpus()  # before anything is made: the devices are fixed when TensorFlow first runs
tf.get_logger().setLevel("ERROR")  # what counts is what a verb does or raises, not what it logs


class CopiedInSilence(Exception):
    """A pass computes with memory on another device than the module's, which TensorFlow copies over in silence."""


class OnTensorFlow(Keras):
    """Keras on TensorFlow."""

    backend = "keras-tensorflow"
    internals = Keras.internals | {"tensorflow", "wrapt"}

    def seed_engine(self, seed: int) -> None:
        # One that is made when it is first asked for has a random seed; there is no other way to ask whether it is.
        if stateful_random_ops.global_generator is not None:
            stateful_random_ops.global_generator.reset_from_seed(seed)

    # -- arrays ------------------------------------------------------------------------------------------------

    def is_array(self, item: object) -> bool:
        return _has_numbers(_plain(item))

    def is_variable(self, item: object) -> bool:
        return isinstance(item, (keras.Variable, tf.Variable))

    def value(self, item: Any) -> Array:
        plain = _plain(item)
        dense = tf.convert_to_tensor(plain) if isinstance(plain, tf.IndexedSlices) else plain
        array = np.array(dense.numpy())
        return array.astype(np.bytes_) if dense.dtype == tf.string else array

    def address(self, item: Any) -> int:
        return _memory(_plain(item))

    def device(self, item: Any) -> str:
        return _device(_plain(item))

    def tensor(self, array: Array) -> Any:
        return tf.constant(array)

    def components(self, item: Any) -> list[Any] | None:
        if isinstance(item, (tf.Tensor, tf.Variable, keras.Variable)):
            return [item] if self.is_array(item) else []
        if tf.is_tensor(item):
            return [part for part in tf.nest.flatten(item, expand_composites=True) if self.is_array(part)]
        return None

    def parts(self, item: Any) -> Iterator[Part] | None:
        if isinstance(item, tf.Module):
            names = map(str, object.__getattribute__(item, "__dict__"))
            return attributes(item, frozenset(name for name in names if name.startswith(("_self_", "_name"))))
        found = super().parts(item)
        if found is None and type(item).__module__.startswith("tensorflow.") and not self.is_variable(item):
            components = self.components(item)
            if components is not None:
                return (Part(f".<component>[{i}]", part, _nowhere) for i, part in enumerate(components))
        return found

    # -- devices -----------------------------------------------------------------------------------------------

    def devices(self) -> tuple[str, ...]:
        names = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
        return tuple(name for name in names if name != _device(tf.zeros(())))

    def moved(self, item: Any, device: str) -> Any:
        with tf.device(device):
            if isinstance(item, keras.Variable):
                return keras.Variable(item._value.read_value(), dtype=item.dtype, trainable=item.trainable)
            if isinstance(item, tf.Variable):
                return tf.Variable(item.read_value(), trainable=item.trainable)
            return tf.identity(item)

    @contextmanager
    def on(self, device: str | None) -> Iterator[None]:
        policy = tf.config.experimental.get_device_policy()
        if device is not None and device != _device(tf.zeros(())):
            tf.config.experimental.set_device_policy("explicit")
        try:
            with tf.device(device):
                yield
        except tf.errors.InvalidArgumentError as error:
            if "conflicting devices" not in str(error):
                raise
            raise CopiedInSilence(
                "computes with memory of another device, which is copied over at every pass"
            ) from error
        finally:
            tf.config.experimental.set_device_policy(policy)

    # -- running -----------------------------------------------------------------------------------------------

    def backward(self, forward: Callable[[], list[Any]], listing: list[Any]) -> list[Any]:
        with tf.GradientTape() as tape:
            found = [tf.convert_to_tensor(_plain(item)) for item in forward()]
            floats = [item for item in found if item.dtype.is_floating and item.shape.num_elements() != 0]
            terms = [tf.reduce_mean(tf.square(tf.cast(item, tf.float32))) for item in floats]
            loss = tf.add_n(terms) if terms else None
        if loss is None or not listing:
            return [None] * len(listing)
        gradients: list[Any] = tape.gradient(loss, [_plain(variable) for variable in listing])
        return gradients

    def traced(self, forward: Callable[..., Any], tensors: list[Any]) -> Iterator[Baked]:
        program = tf.function(forward).get_concrete_function(*tensors)
        # A captured variable is a handle, of type resource; a captured tensor is the value that it had.
        for captured in program.captured_inputs:
            if isinstance(captured, tf.Tensor) and _has_numbers(captured):
                value = self.value(captured)
                yield Baked(value.nbytes, describe(value), "", _memory(captured), value)
        definition = program.graph.as_graph_def()
        nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
        for node in nodes:
            if node.op == "Const":
                value = tf.make_ndarray(node.attr["value"].tensor)
                yield Baked(value.nbytes, describe(value), node.name, 0, value)


def _plain(item: Any) -> Any:
    """What TensorFlow knows: the variable that a Keras variable is a wrapper around."""
    return item._value if isinstance(item, keras.Variable) else item


def _has_numbers(item: Any) -> bool:
    """Whether it has bits of its own: the handle of a table or a data set has none, and a tensor of a graph neither."""
    if not isinstance(item, (tf.Tensor, tf.Variable)):
        return False
    if item.dtype in (tf.resource, tf.variant) or item.dtype.is_quantized:
        return False
    return not tf.is_symbolic_tensor(item.handle if isinstance(item, tf.Variable) else item)


def _memory(item: Any) -> int:
    """Equal for two variables exactly if they have one handle. A tensor never changes: the object is the memory."""
    return id(item.handle if isinstance(item, tf.Variable) else item)


def _device(item: Any) -> str:
    spec = tf.DeviceSpec.from_string(item.device)
    return f"{spec.device_type}:{spec.device_index}"


def _nowhere(value: Any) -> None:
    raise TypeError("a component of a tensor cannot be written")
