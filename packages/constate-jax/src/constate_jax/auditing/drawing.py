"""Which arrays of a construction come of random draws: read from the traced constructor, whatever its seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

DRAWS = frozenset({"random_seed", "random_bits", "random_fold_in", "random_split", "threefry2x32", "rng_bit_generator"})


def drawn_by(make: Callable[[], Mapping[str, Any]]) -> frozenset[str]:
    """The names of the arrays that depend on a random draw.

    Args:
        make: makes arrays by name; it is traced, and raises whatever it raises when it is.
    """
    names: list[str] = []

    def run() -> list[Any]:
        made = make()
        names.extend(made)
        return list(made.values())

    program = jax.make_jaxpr(run)().jaxpr
    random = _tainted(program)
    return frozenset(name for name, out in zip(names, program.outvars, strict=True) if _in(out, random))


def _tainted(program: Jaxpr) -> set[Any]:
    """The variables of a program that depend on a draw in it. A program within it that draws, or is handed something
    drawn, gives nothing but what is drawn."""
    found: set[Any] = set()
    for equation in program.eqns:
        draws = equation.primitive.name in DRAWS or any(map(_draws, jax.tree.leaves(equation.params, is_leaf=_is_one)))
        if draws or any(_in(operand, found) for operand in equation.invars):
            found.update(equation.outvars)
    return found


def _in(variable: Any, found: set[Any]) -> bool:
    return not isinstance(variable, Literal) and variable in found


def _draws(item: Any) -> bool:
    if not _is_one(item):
        return False
    inner = item.jaxpr if isinstance(item, ClosedJaxpr) else item
    return any(
        equation.primitive.name in DRAWS or any(map(_draws, jax.tree.leaves(equation.params, is_leaf=_is_one)))
        for equation in inner.eqns
    )


def _is_one(item: object) -> bool:
    return isinstance(item, (ClosedJaxpr, Jaxpr))
