"""Tensors of any kind, seen as bits; modules of any shape, walked without running anything of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from constate.state import Array
from constate_torch.arrays import NAMES, to_numpy

MOST = 200_000
"""Places of modules that a walk visits at the most: a graph of shared modules has more paths than modules."""


def dtype_name(tensor: Tensor) -> str:
    """The NumPy name of a dtype, or torch's own where NumPy has none."""
    return NAMES.get(tensor.dtype, str(tensor.dtype).removeprefix("torch."))


def bits(tensor: Tensor) -> Array:
    """A copy of a tensor's bits; of one that is more than its bits (sparse, quantized), of its values."""
    tensor = tensor.detach()
    if nn.parameter.is_lazy(tensor):
        return np.zeros((0,), np.float32)
    if tensor.is_meta:
        return np.broadcast_to(np.zeros((), np.float32), tuple(tensor.shape))
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.dtype in NAMES:
        return to_numpy(tensor)
    if tensor.dtype is torch.complex128:
        return np.array(tensor.cpu().resolve_conj().resolve_neg().numpy())
    return np.array(tensor.cpu().contiguous().view(torch.uint8).numpy())


def memory(tensor: Tensor) -> int:
    """Equal for two tensors exactly if they have one storage."""
    if nn.parameter.is_lazy(tensor):
        return id(tensor)
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # sparse and other tensors without a storage of their own
        return id(tensor)


def modules(root: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module by its path, shared ones once for each path; a module within itself is not entered again."""
    waiting: list[tuple[str, nn.Module, frozenset[int]]] = [("", root, frozenset())]
    count = 0
    while waiting and count < MOST:
        path, module, above = waiting.pop()
        if id(module) in above:
            continue
        count += 1
        yield path, module
        children = [(name, child) for name, child in module._modules.items() if child is not None]
        inside = above | {id(module)} if children else above
        waiting.extend((f"{path}/{name}" if path else name, child, inside) for name, child in reversed(children))


def registered(root: nn.Module, kind: str) -> Iterator[tuple[str, nn.Module, str, Tensor | None]]:
    """The parameters (``_parameters``) or buffers (``_buffers``), also those that are ``None``: path, holder, name."""
    for above, holder in modules(root):
        for name, tensor in getattr(holder, kind).items():
            yield f"{above}/{name}" if above else name, holder, name, tensor


def flat(outputs: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in an output of any structure, by its path in it."""
    seen: set[int] = set()

    def visit(path: str, item: Any) -> Iterator[tuple[str, Tensor]]:
        if isinstance(item, Tensor):
            yield path, item
            return
        if id(item) in seen or isinstance(item, (str, bytes, int, float, nn.Module)):
            return
        seen.add(id(item))
        if isinstance(item, Mapping):
            for key, value in item.items():
                yield from visit(f"{path}/{key}".removeprefix("/"), value)
        elif isinstance(item, (list, tuple)):
            for index, value in enumerate(item):
                yield from visit(f"{path}/{index}".removeprefix("/"), value)
        elif is_dataclass(item) and not isinstance(item, type):
            for field in fields(item):
                yield from visit(f"{path}/{field.name}".removeprefix("/"), getattr(item, field.name))
        elif isinstance(item, torch.distributions.Distribution):
            for name in item.arg_constraints:
                yield from visit(f"{path}/{name}".removeprefix("/"), getattr(item, name))

    yield from visit("", outputs)


def operations(tensors: list[Tensor], most: int = 100_000) -> int:
    """How many operations of an autograd graph lead to these tensors."""
    seen: set[Any] = set()
    waiting = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    while waiting and len(seen) < most:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting.extend(below for below, _ in node.next_functions if below is not None)
    return len(seen)


HOOKS = ("reset_parameters", "reset_buffers", "init_buffers", "rope_init")
"""Methods by which authors set memory that has just been given: the first is what ``torch.nn`` and FSDP use."""


def own_hooks(root: nn.Module) -> Iterator[Callable[[], Any]]:
    """The re-initialisation hooks of a module that can be called without arguments: ``init_weights`` of the whole, or
    else those of each submodule."""
    whole = getattr(type(root), "init_weights", None)
    if callable(whole) and _takes_nothing(whole):
        yield lambda: whole(root)
        return
    for _, module in modules(root):
        for name in HOOKS:
            hook = getattr(type(module), name, None)
            if callable(hook) and _takes_nothing(hook):
                yield lambda hook=hook, module=module: hook(module)  # type: ignore[misc]


def _takes_nothing(method: Callable[..., Any]) -> bool:
    import inspect

    try:
        parameters = list(inspect.signature(method).parameters.values())[1:]
    except (TypeError, ValueError):
        return False
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)
