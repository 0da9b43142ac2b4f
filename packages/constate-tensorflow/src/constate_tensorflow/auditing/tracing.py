"""What ``tf.function`` bakes into a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from constate.instruments import Baked
from constate.instruments.inputs import Call
from constate.state import describe
from constate_tensorflow.auditing.passing import invoke, rebuilding
from constate_tensorflow.auditing.state import bits, has_numbers, memory


def literals(module: Any, call: Call) -> Iterator[Baked]:
    """The tensors that the program of an eval pass captures, and the constants of its graph."""
    found, again = rebuilding(call)

    def program(*tensors: Any) -> Any:
        return invoke(module, again(list(tensors)), False)

    traced = tf.function(program).get_concrete_function(*found)
    # A captured variable is a handle, of type resource; a captured tensor is the value that it had.
    for captured in traced.captured_inputs:
        if isinstance(captured, tf.Tensor) and has_numbers(captured):
            value = bits(captured)
            yield Baked(value.nbytes, describe(value), "", memory(captured), value)
    definition = traced.graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    for node in nodes:
        if node.op == "Const":
            value = tf.make_ndarray(node.attr["value"].tensor)
            yield Baked(value.nbytes, describe(value), node.name, 0, value)
