"""How a factory is given its seed. JAX has no global generator: what a factory draws, it draws from keys."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, TypeAlias
from unittest import mock

import jax
import numpy as np

Makers: TypeAlias = Mapping[str, Callable[[int], Any]]
"""By the name of an argument: what is made of the seed for it."""

MAKERS: Makers = {"key": jax.random.key, "seed": int}

CONSTRUCTORS = frozenset({"__init__", "__post_init__", "__new__", "setup", "__call__"})
"""A key that is made in one of these belongs to the module; one that is made in a factory, to the run."""


def make(factory: Callable[..., Any], seed: int, makers: Makers = MAKERS) -> Any:
    """What the factory makes with the generators of Python and NumPy seeded.

    A factory whose only argument, or only argument without a default, is called ``key``, ``rngs`` or ``seed`` is given
    one made of the seed. Where a factory makes its own key or generator, ``lambda: Model(key=jax.random.key(0))``, that
    is another one for every seed but 0. A generator that asks the machine for its seed, ``numpy.random.default_rng()``,
    is given one, wherever it is made.
    """
    random.seed(seed)
    np.random.seed(seed)
    name = argument(factory, makers)
    with _shifted(factory, seed):
        return factory(**{name: makers[name](seed)}) if name else factory()


def argument(factory: Callable[..., Any], makers: Makers = MAKERS) -> str | None:
    """The name of the argument by which a factory takes its seed."""
    try:
        parameters = _parameters(factory)
    except (TypeError, ValueError):
        return None
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    chosen = [p for p in named if p.default is p.empty] or named
    return chosen[0].name if len(chosen) == 1 and chosen[0].name in makers else None


def _parameters(factory: Callable[..., Any]) -> list[inspect.Parameter]:
    """Of a class, those of its constructor: its metaclass, as those of NNX and Equinox do, may take anything."""
    if isinstance(factory, functools.partial):
        rest = _parameters(factory.func)[len(factory.args) :]
        given = factory.keywords
        return [p.replace(default=given[p.name]) if p.name in given else p for p in rest]
    if isinstance(factory, type):
        return list(inspect.signature(factory.__init__).parameters.values())[1:]  # type: ignore[misc]
    return list(inspect.signature(factory).parameters.values())


@contextlib.contextmanager
def _shifted(factory: Callable[..., Any], seed: int) -> Iterator[None]:
    """Make the keys and generators that a factory makes itself, outside of constructors, depend on the seed."""
    numbers = itertools.count()

    def shift_key(original: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
        def make_key(*args: Any, **kwargs: Any) -> jax.Array:
            key = original(*args, **kwargs)
            return key if not seed or _in_constructor(sys._getframe(1)) else jax.random.fold_in(key, seed)

        return make_key

    def shift_generator(original: Callable[..., np.random.Generator]) -> Callable[..., np.random.Generator]:
        def make_generator(given: Any = None) -> np.random.Generator:
            if given is None:
                return original([seed, next(numbers)])
            own = not isinstance(given, int) or not seed or _in_constructor(sys._getframe(1))
            return original(given if own else [given, seed])

        return make_generator

    shifts: list[tuple[Any, str, Any, Any]] = [
        (module, name, getattr(module, name), shift(getattr(module, name)))
        for module, name, shift in (
            (jax.random, "key", shift_key),
            (jax.random, "PRNGKey", shift_key),
            (np.random, "default_rng", shift_generator),
        )
    ]
    names: dict[str, Any] = getattr(factory, "__globals__", {})
    imported = {name: (old, new) for name, value in names.items() for _, _, old, new in shifts if value is old}
    with contextlib.ExitStack() as stack:
        for module, attribute, _, new in shifts:
            stack.enter_context(mock.patch.object(module, attribute, new))
        try:
            names.update({name: new for name, (_, new) in imported.items()})
            yield
        finally:
            names.update({name: old for name, (old, _) in imported.items()})


def _in_constructor(frame: FrameType | None) -> bool:
    """Whether a constructor other than those of the frameworks is on the stack below ``make``."""
    while frame is not None and frame.f_globals.get("__name__") != __name__:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if frame.f_code.co_name in CONSTRUCTORS and package not in ("jax", "flax"):
            return True
        frame = frame.f_back
    return False
