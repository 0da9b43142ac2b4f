"""What PyTorch gets wrong, put right: functions for any ``torch.nn.Module``.

Each names the laws that it serves. What PyTorch does right (moving, copying, training, compiling, freezing, listing)
is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from constate import checkpoint
from constate.errors import Refused
from constate.refusals import matching, require_array, require_entry, require_form
from constate_torch.arrays import NAMES, from_numpy, to_numpy
from constate_torch.state import entries, owner, persistent


def save(module: nn.Module, path: str | Path) -> None:
    """Write every parameter and persistent buffer to one checksummed safetensors file, whole or not at all.

    Serves P02 (strided tensors, which ``safetensors.torch.save_model`` refuses) and P06 (``torch.save`` and
    safetensors keep no checksum that their readers check).

    Args:
        module: any module; entries are named by their paths with ``/`` between levels.
        path: the file; an existing one is replaced at once and only when the new one is complete.

    Raises:
        CheckpointError: a dtype that safetensors cannot hold, or a path that cannot be written.
        Refused: the module keeps extra state (``get_extra_state``) that is no tensor.
    """
    checkpoint.write(Path(path), {name: to_numpy(tensor) for name, tensor in persistent(module).items()})


def load(module: nn.Module, path: str | Path, *, build: Callable[[], nn.Module] | None = None) -> None:
    """Read a file written by ``save``: all of it, or an error and no bit changed.

    Serves P04 (``load_state_dict`` casts another dtype in silence), P05 (it copies what fits before it raises), P06,
    and P11 (buffers that are not persistent keep whatever bytes ``to_empty`` left).

    Args:
        module: the target; its entries keep their device.
        path: the file.
        build: the module's factory. Given one, every buffer that is not persistent is computed again by it.

    Raises:
        CheckpointError: the file is damaged, or has a missing, unexpected, wrong-shape or wrong-dtype entry; the error
            names each.
    """
    arrays, _ = checkpoint.read(Path(path))
    targets = persistent(module)
    expected = {name: (tuple(tensor.shape), NAMES[tensor.dtype]) for name, tensor in targets.items()}
    checkpoint.check(Path(path), arrays, expected)
    sources = {name: from_numpy(array) for name, array in arrays.items()}
    if build is not None:
        derived = entries(module).keys() - targets.keys()
        recomputed = entries(build())
        sources |= {name: recomputed[name] for name in derived if name in recomputed}
    everything = entries(module)
    with torch.no_grad():
        for name, source in sources.items():
            everything[name].copy_(source)


def materialise(build: Callable[[], nn.Module], path: str | Path, *, device: str | torch.device = "cpu") -> nn.Module:
    """A module built without memory, put on a device and filled from a file, buffers that are not persistent included.

    Serves P11.

    Args:
        build: the module's factory; called twice, once under the ``meta`` device.
        path: a file written by ``save``.
        device: where the module shall be.

    Raises:
        CheckpointError: as ``load`` does.
    """
    with torch.device("meta"):
        module = build()
    module.to_empty(device=device)
    load(module, path, build=build)
    return module


def cast(module: nn.Module, dtype: torch.dtype, *, keep: Sequence[str] = ()) -> nn.Module:
    """Cast the float entries to another float type, in place, except those that are to keep their precision.

    Serves D04 and D07: ``Module.to`` rounds every float buffer, and casts complex ones to the real type.

    Args:
        module: any module.
        dtype: a floating-point type.
        keep: patterns of canonical paths to leave alone, ``["*/inv_freq"]``; case-sensitive, ``*`` also matches ``/``.

    Raises:
        Refused: the dtype is not a floating-point type, or a pattern matches no entry.
    """
    if not dtype.is_floating_point:
        raise Refused(f"found dtype {dtype}, expected a floating-point type; nothing was cast")
    found = entries(module)
    pinned = matching(keep, found)
    done: dict[int, Tensor] = {}
    for name, tensor in found.items():
        if not tensor.is_floating_point() or name in pinned:
            continue
        holder, own = owner(module, name)
        if isinstance(tensor, nn.Parameter):
            tensor.data = tensor.data.to(dtype)
            tensor.grad = None if tensor.grad is None else tensor.grad.to(dtype)
        else:
            holder._buffers[own] = done.setdefault(id(tensor), tensor.to(dtype))
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
    require_form(path, (value.shape, value.dtype), (target.shape, target.dtype))
    with torch.no_grad():
        target.copy_(value)


__all__ = ["assign", "cast", "load", "materialise", "register", "save"]
