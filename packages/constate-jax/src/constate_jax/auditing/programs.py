"""The literals in a traced program."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from constate.instruments import Baked
from constate.state import describe
from constate_jax.arrays import to_numpy

FRAMEWORKS = ("jax", "jaxlib", "flax", "optax", "equinox", "constate_jax", "constate_flax")
"""Packages whose functions are not the author's."""


def literals_in(program: ClosedJaxpr) -> list[Baked]:
    """Every array that is baked into a program or into the programs that it calls, each once, named by the function
    in which it enters the program."""
    found: dict[int, Baked] = {}
    for constant, equation in _constants(program):
        array = to_numpy(constant)
        identity = identity_of(constant)
        if identity not in found:
            found[identity] = Baked(array.nbytes, describe(array), _function_of(equation), identity, array)
    return list(found.values())


def identity_of(array: object) -> int:
    """Equal for two arrays exactly if a write to one is seen in the other: the memory of a NumPy array, views of one
    another alike; a JAX array cannot be written, and equals only itself."""
    if isinstance(array, np.ndarray):
        base = array
        while isinstance(base.base, np.ndarray):
            base = base.base
        return int(base.__array_interface__["data"][0]) if base.nbytes else -id(array)
    return -id(array)


def _constants(program: ClosedJaxpr | Jaxpr) -> Iterator[tuple[Any, Any]]:
    """Every constant, with the first equation that takes it, or ``None``."""
    if isinstance(program, ClosedJaxpr):
        for variable, constant in zip(program.jaxpr.constvars, program.consts, strict=True):
            if hasattr(constant, "shape"):
                taking = (e for e in program.jaxpr.eqns if any(operand is variable for operand in e.invars))
                yield constant, next(taking, None)
        program = program.jaxpr
    for equation in program.eqns:
        for operand in equation.invars:
            if isinstance(operand, Literal) and np.ndim(operand.val):
                yield operand.val, equation
        for parameter in jax.tree.leaves(equation.params, is_leaf=_is_program):
            if _is_program(parameter):
                yield from _constants(parameter)


def _function_of(equation: Any) -> str:
    """The innermost function on the stack of an equation that is no framework's; empty where that is not known."""
    folders = tuple(str(Path(str(sys.modules[name].__file__)).parent) for name in FRAMEWORKS if name in sys.modules)
    frames = getattr(getattr(getattr(equation, "source_info", None), "traceback", None), "frames", ())
    for frame in frames:
        if not frame.file_name.startswith(folders):
            return str(frame.function_name).rpartition("<locals>.")[2]
    return ""


def _is_program(item: object) -> bool:
    return isinstance(item, (ClosedJaxpr, Jaxpr))
