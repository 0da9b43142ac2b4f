"""What PyTorch gets wrong, put right: functions for any ``torch.nn.Module``.

Each names the laws that it serves. What PyTorch does right (copying, training, compiling, freezing, listing) is not
here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_module

from constate import checkpoint
from constate.errors import Refused
from constate.reach import arrays_within
from constate.refusals import matching, require_array, require_entry, require_form
from constate_torch.arrays import NAMES, as_numpy, from_numpy
from constate_torch.policies import one_array, policies
from constate_torch.putting import put
from constate_torch.state import entries, held, overlapping, persistent, places, require_plain, span

WIDEST = 16
"""The bytes of the widest dtype: what is cut out of a memory begins at a multiple of it."""


@checkpoint.progress("saving")
def save(module: nn.Module, path: str | Path) -> None:
    """Write every parameter and persistent buffer to one checksummed safetensors file, whole or not at all.

    The file says what is a parameter, which buffers of PyTorch's own layers are statistics and counters, which entries
    are not saved, and which are one tensor.

    Serves P02 (strided tensors, which ``safetensors.torch.save_model`` refuses) and P06 (``torch.save`` and
    safetensors keep no checksum that their readers check).

    Args:
        module: any module; entries are named by their paths with ``/`` between levels.
        path: the file; an existing one is replaced at once and only when the new one is complete.

    Raises:
        CheckpointError: a dtype that safetensors cannot hold, or a path that cannot be written.
        Refused: the module has extra state, or an entry that is more or less than its bits: lazy, without memory,
            quantized, sparse.
    """
    found = places(module)
    saved = persistent(module, held(found))
    arrays = {name: as_numpy(tensor) for name, tensor in saved.items()}
    checkpoint.save(path, arrays, entries=policies(found, saved), shared=one_array(saved, overlapping(saved)))


@checkpoint.progress("loading")
def load(
    module: nn.Module,
    path: str | Path,
    *,
    build: Callable[[], nn.Module] | None = None,
    renamed: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> None:
    """Read a file written by ``save``: all of it, or an error and no bit changed.

    Serves P04 (``load_state_dict`` casts another dtype in silence), P05 (it copies what fits before it raises), P06,
    and P11 (buffers that are not persistent keep whatever bytes ``to_empty`` left).

    Args:
        module: the target; its entries keep their device.
        path: the file.
        build: the module's factory. Given one, every entry that is not in the file is computed again by it.
        renamed: names that have changed since the file was written, ``{"fc/weight": "head/weight"}``, or those of
            whole levels, ``{"fc/": "head/"}``; each is logged.
        missing: kinds of which entries may be missing from the file, ``("derived", "cache")``; where PyTorch does not
            know the kind of a buffer, the file may say it. Such an entry is what ``build`` makes it, a cache empty;
            without ``build`` it stays as the module has it, a cache as full as it is.

    Raises:
        CheckpointError: the file is damaged, or has a missing, unexpected, wrong-shape or wrong-dtype entry, or
            different bits for what is one tensor; the error names each.
        UsageError: there is no kind of that name.
        Refused: the module has extra state or an entry that is more or less than its bits (lazy, without memory,
            quantized, sparse), ``build`` does not make a buffer that it shall make, or entries that share memory have
            different bits in the file.
    """
    found = places(module)
    everything = held(found)
    targets = persistent(module, everything)
    for name, tensor in everything.items():
        if name not in targets:
            require_plain(name, tensor)
    expected = {name: (tuple(tensor.shape), NAMES[tensor.dtype]) for name, tensor in targets.items()}
    groups = overlapping(everything)
    shared, known = one_array(targets, groups), policies(found, targets) if missing else {}
    arrays = checkpoint.fitting(path, expected, entries=known, shared=shared, missing=missing, names=renamed)
    sources = {name: from_numpy(array) for name, array in arrays.items()}
    made = entries(build()) if build else {}
    absent = {name: tensor for name, tensor in everything.items() if build and name not in sources}
    for name, tensor in absent.items():
        if name not in made or made[name].shape != tensor.shape:
            what = f"shape {list(made[name].shape)}" if name in made else "no such buffer"
            raise Refused(f"{name}: build makes {what}, expected {list(tensor.shape)}; nothing was changed")
        sources[name] = made[name]
    put(everything, sources, groups)


def materialise(build: Callable[[], nn.Module], path: str | Path, *, device: str | torch.device = "cpu") -> nn.Module:
    """A module built without memory, put on a device and filled from a file, buffers that are not persistent included.

    Serves P11: ``to_empty`` makes two tensors of one that is shared.

    Args:
        build: the module's factory; called twice, once under the ``meta`` device.
        path: a file written by ``save``.
        device: where the module shall be.

    Raises:
        CheckpointError, Refused: as ``load`` does.
        Refused: the module has a tensor that is no parameter and no buffer, which nothing gives memory.
    """
    with torch.device("meta"):
        module = build()
    shapes = entries(module)
    for name, tensor in shapes.items():
        if not tensor.is_meta:
            require_plain(name, tensor)
    module.to_empty(device=device)
    _share(module, shapes, device)
    for above, holder in module.named_modules():
        if not holder._forward_pre_hooks:  # else a hook may make the tensor, as that of nn.utils.weight_norm does
            own = {n: v for n, v in vars(holder).items() if n not in ("_parameters", "_buffers", "_modules")}
            for name, _ in arrays_within(own, lambda item: isinstance(item, Tensor) and item.is_meta):
                raise Refused(f"{above}{name}: found a tensor without memory; register it as a buffer")
    load(module, path, build=build)
    return module


def move(module: nn.Module, device: str | torch.device) -> nn.Module:
    """``Module.to(device)``, in place, after which what shared memory still does.

    Serves D06: ``Module.to`` replaces buffers place by place, so that one that is registered twice becomes two, as does
    a parameter on its way to or from the device ``meta``.

    Args:
        module: any module.
        device: where its parameters and buffers shall be.

    Raises:
        NotImplementedError: as ``Module.to`` does for a module without memory; nothing was moved.
    """
    objects = {path: id(tensor) for path, tensor in entries(module).items()}
    before = {path: tensor.detach() for path, tensor in entries(module).items() if not nn.parameter.is_lazy(tensor)}
    module.to(device)
    found, after = places(module), entries(module)
    for group in overlapping(before):
        made = {objects[path]: after[path] for path in reversed(group)}
        if len(made) > 1:  # views of one memory
            memory, first = _moved([before[path] for path in group], device)
            with torch.inference_mode(False), torch.no_grad():
                for old, tensor in {objects[path]: (before[path], made[objects[path]]) for path in group}.values():
                    new = torch.empty(0, dtype=old.dtype, device=device)
                    new.set_(memory, old.storage_offset() - first // old.itemsize, old.shape, old.stride())
                    tensor.data = new
        for path in group:
            holder, name = found[path]
            setattr(holder, name, made[objects[path]])
    return module


def _moved(tensors: Sequence[Tensor], device: str | torch.device) -> tuple[torch.UntypedStorage, int]:
    """The part of one memory that these tensors use, on a device, and at which byte of the old one it begins."""
    spans = [(begin * tensor.itemsize, end * tensor.itemsize) for tensor in tensors for begin, end in [span(tensor)]]
    first = min(spans)[0] // WIDEST * WIDEST
    count = max(end for _, end in spans) - first
    memory = tensors[0].untyped_storage()
    raw = torch.empty(0, dtype=torch.uint8, device=tensors[0].device).set_(memory, first, (count,), (1,))
    return raw.to(device, copy=True).untyped_storage(), first


def cast(module: nn.Module, dtype: torch.dtype, *, keep: Sequence[str] = ()) -> nn.Module:
    """Cast the float entries to another float type, in place, except those that are to keep their precision.

    Serves D04 and D07: ``Module.to`` rounds every float buffer, and casts complex ones to the real type.

    Args:
        module: any module.
        dtype: a floating-point type.
        keep: patterns of canonical paths to leave alone, ``["*/inv_freq"]``; case-sensitive, ``*`` also matches ``/``.

    Raises:
        Refused: the dtype is not a floating-point type, a pattern matches no entry, or of entries that share memory
            some are kept and some are not.
    """
    if not dtype.is_floating_point:
        raise Refused(f"found dtype {dtype}, expected a floating-point type; nothing was cast")
    found = entries(module)
    pinned = {id(found[name]) for name in matching(keep, found)}
    follows = {n: t for n, t in found.items() if t.is_floating_point() and id(t) not in pinned}
    groups = overlapping(found)
    for group in groups:
        if follows.keys() & group and ({*group} - follows.keys() or len({found[name].dtype for name in group}) > 1):
            raise Refused(f"{', '.join(group)}: share memory; keep all of them or none; nothing was cast")
    whole = {name: group for group in groups for name in group}
    with torch.inference_mode(False), torch.no_grad():
        new: dict[int, Tensor] = {}
        flats: dict[int, tuple[Tensor, int]] = {}
        for name, tensor in follows.items():
            if name in whole:
                group = whole[name]
                if id(group) not in flats:
                    spans = [span(found[other]) for other in group]
                    first, end = min(spans)[0], max(end for _, end in spans)
                    flats[id(group)] = tensor.detach().as_strided((end - first,), (1,), first).to(dtype), first
                flat, first = flats[id(group)]
                new[id(tensor)] = flat.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset() - first)
            else:
                new[id(tensor)] = tensor.detach().to(dtype)
        for tensor in {id(tensor): tensor for tensor in follows.values()}.values():
            tensor.data = new[id(tensor)]
            if tensor.is_leaf and tensor.grad is not None:
                tensor.grad = tensor.grad.to(dtype)
    return module


def spread(module: nn.Module, mesh: DeviceMesh | None = None, *, batched: Collection[int] = (0,)) -> nn.Module:
    """Let every process train on its part of a batch as one process would on all of it, in place.

    Serves S02: under ``DistributedDataParallel`` the statistics of a replica are those of its own part, and before
    every pass the buffers of the first replica take the places of the others'. Here the module computes with
    distributed tensors: its entries are replicas of those that the first process has (S01), the inputs and the outputs
    are parts of a batch, and a mean over the batch, a statistic or a loss, is one over all of it.

    Args:
        module: any module whose operators PyTorch can distribute; the same in all processes but for its values.
        mesh: the processes, in one dimension; all of them on CPUs by default.
        batched: which of the positional inputs are parts of the batch, along their first dimension and of one length
            in all processes; the others are the same in all of them.

    Returns:
        The module. Give its parameters, which are distributed tensors now, to the optimizer.

    Raises:
        RuntimeError: ``torch.distributed`` is not initialised.
    """
    mesh = init_device_mesh("cpu", (dist.get_world_size(),)) if mesh is None else mesh

    def joined(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            DTensor.from_local(value, mesh, [Shard(0) if number in batched else Replicate()])
            if isinstance(value, Tensor) and not isinstance(value, DTensor)
            else value
            for number, value in enumerate(inputs)
        )

    def settled() -> None:
        """A buffer that the pass replaced by a sum may be one of which every process has its own part."""
        for holder, name in places(module).values():
            buffer = holder._buffers.get(name)
            if isinstance(buffer, DTensor) and not all(placement.is_replicate() for placement in buffer.placements):
                holder._buffers[name] = buffer.redistribute(mesh, [Replicate()])

    distribute_module(module, mesh)
    module.register_forward_pre_hook(lambda _, inputs: joined(inputs))
    module.register_forward_hook(lambda *_: settled())
    return module


def register(module: nn.Module, name: str, value: Tensor, *, persistent: bool = True, replace: bool = False) -> None:
    """``register_buffer`` that does not replace a buffer unless it is asked to.

    Serves N03; PyTorch itself refuses collisions and illegal names (N01, N02), except for ``/``.

    Raises:
        Refused: there is such a buffer and ``replace`` is false, or ``/`` stands in the name.
        KeyError, TypeError: as ``register_buffer`` does.
    """
    if isinstance(name, str) and "/" in name:
        raise Refused(f"found the name {name!r}, expected one without '/', which separates the levels of a path")
    if name in module._buffers and not replace:
        raise Refused(f"{name!r} is registered; pass replace=True to replace it, or choose another name")
    module.register_buffer(name, value, persistent=persistent)


def assign(module: nn.Module, path: str, value: Tensor) -> None:
    """Give an entry new values of the same shape and dtype, in place.

    Serves N04: ``module.name = tensor`` puts a tensor of any shape and dtype into a buffer.

    Args:
        module: any module.
        path: the canonical path of a parameter or buffer.
        value: a tensor of the entry's shape and dtype; its device may differ.

    Raises:
        Refused: there is no such entry, the value is no tensor, or has another shape or dtype.
    """
    found = entries(module)
    require_entry(path, found)
    require_array(path, value, Tensor)
    target = found[path]
    require_plain(path, target)
    require_plain("value", value)
    require_form(path, (value.shape, value.dtype), (target.shape, target.dtype))
    put(found, {path: value})


def _share(module: nn.Module, shapes: Mapping[str, Tensor], device: str | torch.device) -> None:
    """Let those entries share memory that did so when the module had none."""
    found = places(module)
    for group in overlapping(shapes):
        memory = torch.UntypedStorage(shapes[group[0]].untyped_storage().nbytes(), device=device)  # type: ignore[no-untyped-call]
        made: dict[int, Tensor] = {}
        for path in group:
            old, (holder, name) = shapes[path], found[path]
            new = torch.empty(0, dtype=old.dtype, device=device)
            new.set_(memory, old.storage_offset(), old.shape, old.stride())
            if isinstance(old, nn.Parameter):
                new = nn.Parameter(new, requires_grad=old.requires_grad)
            setattr(holder, name, made.setdefault(id(old), new))


__all__ = ["assign", "cast", "load", "materialise", "move", "register", "save", "spread"]
