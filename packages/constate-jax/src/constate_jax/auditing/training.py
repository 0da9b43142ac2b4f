"""Steps of training. The pass runs as Python runs it, since a module may keep what it likes in Python; what follows
from it, the way back and the step of the optimizer, is compiled, each program once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
import optax
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from constate.backend import Optimizer

T = TypeVar("T")

OPTIMIZERS: Mapping[Optimizer, Callable[[], optax.GradientTransformation]] = {
    "sgd": lambda: optax.sgd(0.01),
    "adam": lambda: optax.adam(0.01),
    "adamw": lambda: optax.adamw(0.01, weight_decay=0.1),
}


@functools.cache
def stepper(name: Optimizer) -> tuple[Callable[[Any], Any], Callable[[Any, Any, Any], tuple[Any, Any]]]:
    """How an optimizer begins and steps: from values to slots, and from gradients, slots and values to the next two."""
    transformation = OPTIMIZERS[name]()

    @jax.jit
    def step(gradients: Any, slots: Any, values: Any) -> tuple[Any, Any]:
        updates, slots = transformation.update(gradients, slots, values)
        return optax.apply_updates(values, updates), slots

    return jax.jit(transformation.init), step


def gradient(loss: Callable[[T], tuple[jax.Array, Any]], values: T) -> tuple[T, Any]:
    """The gradient of a loss, and what the loss gives beside its value."""
    found, back, beside = jax.vjp(loss, values, has_aux=True)
    one = jax.device_put(np.ones((), found.dtype), found.sharding)
    program = jax.make_jaxpr(lambda: back(one))()
    structure = jax.tree.structure(values)
    return jax.tree.unflatten(structure, _compiled(str(program.jaxpr), program)(program.consts)), beside


_programs: dict[str, Callable[[Any], Any]] = {}


def _compiled(text: str, program: ClosedJaxpr) -> Callable[[Any], Any]:
    """A program, with its constants as an argument. Every step traces the way back anew, and the text is the same."""
    if text not in _programs:
        jaxpr = program.jaxpr
        _programs[text] = jax.jit(lambda constants: jaxpr_as_fun(ClosedJaxpr(jaxpr, constants))())
    return _programs[text]
