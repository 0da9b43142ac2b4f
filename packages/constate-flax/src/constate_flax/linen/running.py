"""A Linen module with its state, and what runs it: ``init``, ``apply``, ``jax.jit``."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from flax import linen as nn
from flax.core import unfreeze
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from constate.state import Array
from constate_flax.arrays import from_numpy, to_numpy
from constate_flax.linen.state import CONSTANTS, DERIVED
from constate_flax.linen.tree import PARAMS, Variables

MODES: dict[str, Callable[[bool], bool]] = {
    "training": lambda training: training,
    "train": lambda training: training,
    "deterministic": lambda training: not training,
    "use_running_average": lambda training: not training,
}
"""How modules name their mode as an argument of ``__call__``, and what they are given in training mode or not."""


@dataclass(frozen=True)
class Handle:
    """A Linen module, which holds no state, and its state."""

    module: nn.Module
    variables: Variables
    example: tuple[Array, ...]
    """Inputs: Linen declares and checks state by running the module."""

    def holding(self, variables: Variables) -> Handle:
        """The module with this state."""
        return dataclasses.replace(self, variables=variables)

    def after(self, moved: Variables) -> Handle:
        """The module with what a pass moved."""
        return self.holding({**self.variables, **moved})


def mode(module: nn.Module, training: bool) -> dict[str, Any]:
    """The keyword arguments by which the module is told its mode, unless a field of the same name has said it."""
    known = inspect.signature(type(module).__call__).parameters
    return {n: told(training) for n, told in MODES.items() if n in known and getattr(module, n, None) is None}


def initial(module: nn.Module, inputs: Sequence[Any], seed: int) -> Variables:
    """The variables that ``init`` makes."""
    rngs = {"params": jax.random.key(seed), "dropout": jax.random.key(seed + 1)}
    return dict(unfreeze(module.init(rngs, *inputs, **mode(module, False))))


def passed(
    module: nn.Module, variables: Variables, inputs: Sequence[Any], training: bool
) -> tuple[jax.Array, Variables]:
    """The outputs of one pass, and the collections that it moved."""
    if not training:
        outputs: Any = module.apply(variables, *inputs, **mode(module, False))
        return outputs, {}
    moving = [collection for collection in variables if collection not in (PARAMS, CONSTANTS, DERIVED)]
    rngs = {"dropout": jax.random.key(0)}
    outputs, moved = module.apply(variables, *inputs, **mode(module, True), mutable=moving, rngs=rngs)
    return outputs, moved


class CompiledModule:
    """``jax.jit`` of a pass, with a count of its traces."""

    def __init__(self, module: nn.Module) -> None:
        self.traces = 0

        def run(variables: Variables, inputs: Sequence[Any], training: bool) -> tuple[jax.Array, Variables]:
            self.traces += 1
            return passed(module, variables, inputs, training)

        self._program = jax.jit(run, static_argnames="training")

    def __call__(self, handle: Handle, *inputs: Array, training: bool = False) -> tuple[Array, Handle]:
        outputs, moved = self._program(handle.variables, placed(handle, inputs), training=training)
        return to_numpy(outputs), handle.after(moved)


def constants_in(program: ClosedJaxpr | Jaxpr) -> Iterator[Any]:
    """Whatever is baked into a traced program, nested programs included."""
    if isinstance(program, ClosedJaxpr):
        yield from program.consts
        program = program.jaxpr
    for equation in program.eqns:
        yield from (operand.val for operand in equation.invars if isinstance(operand, Literal))
        for parameter in jax.tree.leaves(equation.params, is_leaf=_is_program):
            if _is_program(parameter):
                yield from constants_in(parameter)


def _is_program(item: object) -> bool:
    return isinstance(item, (ClosedJaxpr, Jaxpr))


def placed(handle: Handle, inputs: Sequence[Array]) -> list[jax.Array]:
    """The inputs where the module's state is."""
    leaves = [leaf for leaf in jax.tree.leaves(handle.variables) if isinstance(leaf, jax.Array)]
    device = next(iter(leaves[0].devices())) if leaves else None
    return [from_numpy(array, device) for array in inputs]
