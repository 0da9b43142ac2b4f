"""How a module is told its mode and given a key: by arguments of these names, where it has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax

from constate.instruments.inputs import Call

MODES: dict[str, Callable[[bool], bool]] = {
    "training": lambda training: training,
    "train": lambda training: training,
    "is_training": lambda training: training,
    "deterministic": lambda training: not training,
    "inference": lambda training: not training,
    "use_running_average": lambda training: not training,
}
"""By name: what the argument, or the attribute, is in training mode or not."""

KEYS: Mapping[str, Callable[[int], Any]] = {"key": jax.random.key, "rng": jax.random.key, "rng_key": jax.random.key}
"""By name: what is made of a seed for the argument."""


def told(
    parameters: Sequence[inspect.Parameter],
    call: Call,
    training: bool,
    seed: int,
    *,
    keys: Mapping[str, Callable[[int], Any]] = KEYS,
    leave: Collection[str] = (),
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, with the mode in the place of whatever truth value stood there, and with a key where
    there is none: in training mode, or where the function insists on one.

    Args:
        parameters: what the function takes, from the first argument of the call on.
        call: the arguments by the user.
        training: the mode.
        seed: what a key is made of.
        keys: as ``KEYS``.
        leave: names of modes that are said otherwise.
    """
    args, kwargs = tuple(call.args), dict(call.kwargs)
    for position, parameter in enumerate(parameters):
        name = parameter.name
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        given = position < len(args)
        if name in MODES and name not in leave:
            if not given:
                kwargs[name] = MODES[name](training)
            elif args[position] is None or isinstance(args[position], bool):
                args = (*args[:position], MODES[name](training), *args[position + 1 :])
        elif name in keys and not given and name not in kwargs and (training or parameter.default is parameter.empty):
            kwargs[name] = keys[name](seed)
    return args, kwargs


def arrays_of(call: Call) -> list[Any]:
    """The JAX arrays in a call, in order."""
    found: list[Any] = []
    call.map(lambda leaf: found.append(leaf) if isinstance(leaf, jax.Array) else None)
    return found


def refilled(call: Call, arrays: Sequence[Any]) -> Call:
    """The call with other arrays, in the order of ``arrays_of``."""
    rest = iter(arrays)
    return call.map(lambda leaf: next(rest) if isinstance(leaf, jax.Array) else leaf)
