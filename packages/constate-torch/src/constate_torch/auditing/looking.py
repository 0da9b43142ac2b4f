"""PyTorch: the state of any ``torch.nn.Module``, and what it holds beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from constate.instruments import Held, Instruments, Replaced
from constate.instruments.holdings import Part, attributes
from constate.state import Array
from constate_torch.arrays import from_numpy
from constate_torch.auditing import tensors
from constate_torch.auditing.construction import Construction

OWN = frozenset(vars(nn.Module()))
"""The attributes that ``nn.Module`` itself keeps."""


class Looking(Instruments):
    """What is read from a module, and written to its entries."""

    def __init__(self, factory: Callable[[], nn.Module]) -> None:
        super().__init__(factory)
        self._made: WeakKeyDictionary[nn.Module, Construction] = WeakKeyDictionary()
        self._last: tuple[nn.Module, Construction] | None = None

    # -- state -------------------------------------------------------------------------------------------------

    def entries(self, handle: nn.Module) -> dict[str, Held]:
        saved = self._saved(handle)
        found = {}
        for kind in ("_parameters", "_buffers"):
            for path, holder, name, tensor in tensors.registered(handle, kind):
                if tensor is None:
                    continue
                found[path] = Held(
                    path=path,
                    shape=() if nn.parameter.is_lazy(tensor) else tuple(tensor.shape),
                    dtype=tensors.dtype_name(tensor),
                    device=str(tensor.device),
                    trainable=kind == "_parameters" and tensor.requires_grad,
                    persistent=path in saved,
                    identity=tensors.memory(tensor),
                    owner=type(holder),
                    name=name,
                )
        return found

    def _saved(self, handle: nn.Module) -> set[str]:
        try:
            by_id = {id(v) for v in handle.state_dict(keep_vars=True).values()}
        except Exception:  # a hook of the user's that fails: what torch itself would have listed
            by_id = set()
        found = set()
        for kind in ("_parameters", "_buffers"):
            for path, holder, name, tensor in tensors.registered(handle, kind):
                listed = kind == "_parameters" or name not in holder._non_persistent_buffers_set
                if id(tensor) in by_id or (not by_id and listed):
                    found.add(path)
        return found

    def listing(self, handle: nn.Module) -> list[str]:
        return [name.replace(".", "/") for name in handle.state_dict()]

    def _find(self, handle: nn.Module, path: str) -> tuple[nn.Module, str, Tensor]:
        holder: nn.Module = handle
        *above, name = path.split("/")
        for part in above:
            holder = holder._modules[part]  # type: ignore[assignment]
        tensor = holder._parameters[name] if name in holder._parameters else holder._buffers[name]
        assert tensor is not None
        return holder, name, tensor

    def read(self, handle: nn.Module, path: str) -> Array:
        return tensors.bits(self._find(handle, path)[2])

    def write(self, handle: nn.Module, path: str, value: Array) -> nn.Module:
        target = self._find(handle, path)[2]
        with torch.no_grad():
            if target.dtype is torch.complex128:
                target.copy_(torch.from_numpy(np.array(value)))
            else:
                target.copy_(from_numpy(np.array(value)).to(target.dtype))
        return handle

    def optional(self, handle: nn.Module) -> list[str]:
        return [path for path, _, _, tensor in tensors.registered(handle, "_buffers") if tensor is None]

    def holder(self, handle: nn.Module, path: str) -> type | None:
        return next((type(h) for at, h, _, _ in tensors.registered(handle, "_buffers") if at == path), None)

    def graphs(self, handle: nn.Module) -> dict[str, str]:
        found = {}
        for path, _, _, tensor in tensors.registered(handle, "_buffers"):
            if isinstance(tensor, nn.Parameter):
                found[path] = "an nn.Parameter"
            elif tensor is not None and tensor.grad_fn is not None:
                found[path] = "a live autograd graph"
            elif tensor is not None and tensor.requires_grad:
                found[path] = "a tensor that requires a gradient"
        return found

    def replaced(self) -> list[Replaced]:
        if self._last is None:
            return []
        root, record = self._last
        where = {id(module): path for path, module in tensors.modules(root)}
        return [
            Replaced(f"{where[id(module)]}/{name}".removeprefix("/"), type(module), name, differs)
            for module, name, differs in record.replaced
            if id(module) in where
        ]

    # -- what is held outside of the state -----------------------------------------------------------------------

    def is_array(self, item: object) -> bool:
        return isinstance(item, Tensor)

    def is_variable(self, item: object) -> bool:
        return isinstance(item, nn.Parameter) or (isinstance(item, Tensor) and item.requires_grad and item.is_leaf)

    def value(self, item: Tensor) -> Array:
        return tensors.bits(item)

    def address(self, item: Tensor) -> int:
        return tensors.memory(item)

    def device(self, item: Tensor) -> str:
        return str(item.device)

    def parts(self, item: Any) -> Iterator[Part] | None:
        if not isinstance(item, nn.Module):
            return None
        return _module_parts(item)


def _module_parts(module: nn.Module) -> Iterator[Part]:
    yield from attributes(module, OWN)
    # Also what is registered, since the module itself may stand where the framework does not look, as in a list.
    for kind in (module._parameters, module._buffers):
        for name, tensor in kind.items():
            if tensor is not None:
                yield Part(f".{name}", tensor, partial(kind.__setitem__, name), owner=type(module), name=name)
    for name, child in module._modules.items():
        if child is not None:
            yield Part(f".{name}", child, partial(module._modules.__setitem__, name))


__all__ = ["Looking"]
