"""Passes of any Linen module: ``init`` and ``apply``, which collections they move and from which streams they draw."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

import jax
from flax import linen as nn
from flax.core import DenyList, unfreeze
from flax.errors import InvalidRngError, ModifyScopeVariableError

from constate.errors import UsageError
from constate.instruments.inputs import Call
from constate_flax.linen.tree import PARAMS, Variables
from constate_jax.auditing.calls import MODES, told

Shells = Mapping[tuple[str, ...], nn.Module]
"""The submodules that a pass calls, by their place: with their fields, and without their state."""


class Passes:
    """How one module is run, as far as that has to be found out by running it."""

    def __init__(self) -> None:
        self.sown = {"intermediates", "perturbations"}
        """The collections by which a module gives values of a pass back. They are outputs and no state."""
        self._moves = False
        """Whether a pass in eval mode moves collections."""
        self._draws = False
        """Whether a pass in eval mode draws random numbers."""

    def init(self, module: nn.Module, call: Call, seed: int, shells: dict[tuple[str, ...], nn.Module]) -> Variables:
        """The variables that ``init`` makes; notes the submodules in ``shells``."""

        def note(next_method: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
            shells.setdefault(tuple(context.module.path), shell(context.module))
            return next_method(*args, **kwargs)

        rngs = {PARAMS: jax.random.key(seed), "dropout": jax.random.key(seed + 1)}
        with nn.intercept_methods(note), self._sowing():
            made: Any = module.init(rngs, method=_method(module, call, False, seed))
        return self._state(made)

    def apply(
        self, module: nn.Module, variables: Variables, call: Call, training: bool, seed: int
    ) -> tuple[Any, Variables]:
        """The outputs of a pass, and the variables after it. In training mode every collection but the parameters may
        move and every stream may be drawn from; in eval mode only where the module insists on it."""
        while True:
            mutable = DenyList((PARAMS,)) if training or self._moves else False
            rngs = {n: jax.random.key(seed + i) for i, n in enumerate((PARAMS, "dropout"))}
            module_in_mode = _in_mode(module, training)
            method = _method(module_in_mode, call, training, seed)
            try:
                with self._sowing():
                    found: Any = module_in_mode.apply(
                        variables, rngs=rngs if training or self._draws else None, method=method, mutable=mutable
                    )
            except ModifyScopeVariableError:
                if training or self._moves:
                    raise
                self._moves = True
            except InvalidRngError:
                if training or self._draws:
                    raise
                self._draws = True
            else:
                outputs, moved = found if mutable else (found, {})
                return outputs, {**variables, **self._state(moved)}

    def _state(self, variables: Any) -> dict[str, Any]:
        return {name: tree for name, tree in unfreeze(variables).items() if name not in self.sown}

    @contextlib.contextmanager
    def _sowing(self) -> Iterator[None]:
        sow: Callable[..., bool] = nn.Module.sow

        def noted(module: nn.Module, col: str, *args: Any, **kwargs: Any) -> bool:
            self.sown.add(col)
            return sow(module, col, *args, **kwargs)

        with mock.patch.object(nn.Module, "sow", noted):
            yield


def shell(module: nn.Module) -> nn.Module:
    """An object of the module's class with its fields and nothing else."""
    empty: nn.Module = object.__new__(type(module))
    fields = type(module).__dataclass_fields__.keys() - {"parent", "name"}
    vars(empty).update({name: value for name, value in vars(module).items() if name in fields})
    return empty


def _method(module: nn.Module, call: Call, training: bool, seed: int) -> Callable[[nn.Module], Any]:
    """A call of the module, with arguments of whatever names."""
    function = next((vars(cls)["__call__"] for cls in type(module).__mro__ if "__call__" in vars(cls)), None)
    if function is None:
        raise UsageError(f"found {type(module).__name__} without __call__; check a module that has one")
    parameters = list(inspect.signature(function).parameters.values())[1:]
    said = {name for name in MODES if vars(module).get(name) is not None}
    args, kwargs = told(parameters, call, training, seed, leave=said)
    return lambda bound: bound(*args, **kwargs)


def _in_mode(module: nn.Module, training: bool) -> nn.Module:
    """The module with the fields that say its mode set; a field that is ``None`` leaves that to the call."""
    fields = {name: value for name, value in vars(module).items() if name in MODES and isinstance(value, bool)}
    other: dict[str, Any] = {
        name: MODES[name](training) for name, value in fields.items() if MODES[name](training) is not value
    }
    changed: nn.Module = module.clone(**other) if other else module
    return changed
