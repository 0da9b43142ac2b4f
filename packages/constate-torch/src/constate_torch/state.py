"""Where a ``torch.nn.Module`` keeps its state: its parameters and buffers by canonical path."""

from __future__ import annotations

import gc
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from constate.errors import Refused
from constate_torch.arrays import NAMES

PLAIN = (Tensor, nn.Parameter)
"""The types of tensors that no author has changed."""


def places(module: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """The submodule that holds an entry and the entry's name in it, by canonical path: parameters, then buffers.

    Raises:
        Refused: two entries have one path, because a name has ``/`` in it.
    """
    found: dict[str, tuple[nn.Module, str]] = {}
    for kind in ("_parameters", "_buffers"):
        for above, holder in module.named_modules(remove_duplicate=False):
            for name, tensor in getattr(holder, kind).items():
                path = f"{above}.{name}".removeprefix(".").replace(".", "/")
                if path in found:
                    raise Refused(f"{path}: found two entries of this path; choose names without '/', the separator")
                if tensor is not None:
                    found[path] = holder, name
    return found


def entries(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer by canonical path, shared ones once for each path."""
    return held(places(module))


def held(found: Mapping[str, tuple[nn.Module, str]]) -> dict[str, Any]:
    """What is at these places, without the search that ``getattr`` begins for each."""
    return {
        path: holder._parameters[name] if name in holder._parameters else holder._buffers[name]
        for path, (holder, name) in found.items()
    }


def persistent(module: nn.Module, found: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The entries that ``state_dict`` lists, by canonical path.

    Args:
        module: any module.
        found: its ``entries``, where they are known already.

    Raises:
        Refused: ``state_dict`` lists what is no parameter and no buffer, or one whose bits cannot be read or written.
    """
    found = entries(module) if found is None else found
    listed = {}
    for name, value in module.state_dict(keep_vars=True).items():
        path = name.replace(".", "/")
        tensor = found.get(path)
        if tensor is None or tensor is not value:
            raise Refused(
                f"{path}: found {type(value).__name__} from get_extra_state or a hook of state_dict, expected a "
                "parameter or buffer; register it as a buffer; nothing was changed"
            )
        require_plain(path, tensor)
        listed[path] = tensor
    return listed


def require_plain(path: str, tensor: Tensor) -> None:
    """Raise ``Refused`` unless the tensor is nothing but its bits, and has some."""
    if type(tensor) in PLAIN and tensor.is_cpu and tensor.layout is torch.strided and tensor.dtype in NAMES:
        return  # which is nearly always so, and known in the least time
    if nn.parameter.is_lazy(tensor):
        fault = "a lazy parameter without shape; run the module once"
    elif isinstance(tensor, DTensor):
        fault = (
            "a tensor that is distributed over processes; save it with torch.distributed.checkpoint, whose folders "
            "`constate convert` reads and writes"
        )
    elif hasattr(tensor, "__tensor_flatten__") or tensor.layout is not torch.strided or tensor.dtype not in NAMES:
        form = f"{type(tensor).__name__} of {tensor.dtype}, {tensor.layout}"
        fault = f"{form}, expected a strided tensor of one of {', '.join(NAMES.values())}"
    elif tensor.is_meta:
        fault = "a tensor without memory (device meta); give it memory with materialise"
    else:
        return
    raise Refused(f"{path}: found {fault}; nothing was changed")


def overlapping(tensors: Mapping[str, Tensor]) -> list[list[str]]:
    """The paths of tensors in common memory, in groups: one tensor under several paths, or views of one another."""
    if _are_apart(tensors.values()):
        return []
    users: dict[int, list[str]] = {}
    for path, tensor in tensors.items():
        if not nn.parameter.is_lazy(tensor) and tensor.layout is torch.strided and tensor.numel():
            users.setdefault(tensor.untyped_storage()._cdata, []).append(path)
    spans = []
    for memory, paths in users.items():
        for path in paths if len(paths) > 1 else ():
            size, (first, end) = tensors[path].itemsize, span(tensors[path])
            spans.append((memory, first * size, end * size, path))
    groups: list[list[str]] = []
    before, reached = -1, 0
    for memory, first, end, path in sorted(spans):
        if memory == before and first < reached:
            groups[-1].append(path)
            reached = max(reached, end)
        else:
            groups.append([path])
            before, reached = memory, end
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _are_apart(tensors: Collection[Tensor]) -> bool:
    """Whether all are plain tensors on the host, each with a stretch of memory of its own: of most modules that is so,
    and in their addresses it is seen in less than half of the time that their storages take."""
    if not all(type(t) in PLAIN and t.is_cpu and t.layout is torch.strided and t.is_contiguous() for t in tensors):
        return False
    begins = np.array([tensor.data_ptr() for tensor in tensors], np.uint64)
    ends = begins + np.array([tensor.nbytes for tensor in tensors], np.uint64)
    in_order = np.lexsort((ends, begins))
    return bool((begins[in_order][1:] >= np.maximum.accumulate(ends[in_order])[:-1]).all())


def span(tensor: Tensor) -> tuple[int, int]:
    """The first element of its storage that a tensor of one or more elements uses, and the one after the last."""
    first = int(tensor.storage_offset())
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    return first, first + 1 + sum(int((size - 1) * stride) for size, stride in steps)


def owner(module: nn.Module, path: str) -> tuple[nn.Module, str]:
    """The submodule that holds an entry, and the entry's name in it."""
    return places(module)[path]


def alive() -> dict[str, int]:
    """The tensors that Python holds, the bytes of their storages, and the autograd nodes that they hold: of a chain of
    sums only the last is a tensor, and all are nodes."""
    gc.collect()
    tensors = [item for item in gc.get_objects() if issubclass(type(item), Tensor)]
    plain = [t for t in tensors if t.layout is torch.strided and not nn.parameter.is_lazy(t)]
    storages = {storage._cdata: storage.nbytes() for storage in (tensor.untyped_storage() for tensor in plain)}
    nodes: set[Any] = set()
    waiting: list[Any] = [tensor.grad_fn for tensor in tensors]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            waiting.extend(other for other, _ in node.next_functions)
    return {"arrays": len(tensors), "bytes": sum(storages.values()), "nodes": len(nodes)}
