"""What happens while a module is made: names registered twice, parameters made untrainable."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn


class Construction:
    """A record of the registrations of one construction."""

    def __init__(self) -> None:
        self.replaced: list[tuple[nn.Module, str, bool]] = []
        """The module, the name, and whether the second value differs from the first."""
        self.born_frozen: list[nn.Parameter] = []

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Record what is registered while this is open."""
        make, register_buffer, register = nn.Parameter.__new__, nn.Module.register_buffer, nn.Module.register_parameter

        def new(cls: Any, data: Any = None, requires_grad: bool = True) -> nn.Parameter:
            made: nn.Parameter = make(cls, data, requires_grad)
            if isinstance(made, nn.Parameter) and not made.requires_grad:
                self.born_frozen.append(made)
            return made

        def buffer(module: nn.Module, name: str, tensor: Tensor | None, *args: Any, **kwargs: Any) -> None:
            self._note(module, "_buffers", name, tensor)
            register_buffer(module, name, tensor, *args, **kwargs)

        def parameter(module: nn.Module, name: str, param: nn.Parameter | None) -> None:
            # An assignment is no registration: weights are tied by assigning one to the other's name.
            if sys._getframe(1).f_code.co_name != "__setattr__":
                self._note(module, "_parameters", name, param)
            register(module, name, param)

        with (
            mock.patch.object(nn.Parameter, "__new__", new),
            mock.patch.object(nn.Module, "register_buffer", buffer),
            mock.patch.object(nn.Module, "register_parameter", parameter),
        ):
            yield

    def _note(self, module: nn.Module, kind: str, name: str, new: Tensor | None) -> None:
        old = vars(module).get(kind, {}).get(name)
        if old is not None and new is not None and old is not new:
            self.replaced.append((module, name, _differ(old, new)))


def _differ(old: Tensor, new: Tensor) -> bool:
    if old.shape != new.shape or old.dtype != new.dtype or old.device != new.device:
        return True
    return not old.is_meta and not torch.equal(old.detach(), new.detach())
