"""Values into tensors: all of them, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

import torch
from torch import Tensor

from constate.errors import Refused, first_line
from constate.state import same_bits
from constate_torch.arrays import to_numpy
from constate_torch.state import PLAIN, overlapping


def put(
    targets: Mapping[str, Tensor], sources: Mapping[str, Tensor], groups: Iterable[Iterable[str]] | None = None
) -> None:
    """Copy every source into the target of its name, or raise with every bit as it was.

    What may refuse a copy comes first, with its old bits kept. The rest cannot, so that no copy of it is kept: where
    Python is interrupted meanwhile, the rest is copied before the interruption goes on.

    Args:
        targets: by name.
        sources: by the same names, or some of them.
        groups: those targets that overlap, where that is known.
    """
    before: dict[str, Tensor] = {}
    shared = {name for group in (overlapping(targets) if groups is None else groups) for name in group}
    waiting = {name: source for name, source in sources.items() if not _certain(name, targets[name], source, shared)}
    try:
        for name, source in waiting.items():
            before[name] = targets[name].detach().to("cpu", copy=True)
            _copy(targets[name], source)
        for name, source in waiting.items():
            target = targets[name]
            doubtful = (name in shared or 0 in target.stride()) and target.dtype == source.dtype
            if doubtful and not same_bits(to_numpy(target), to_numpy(source)):
                raise ValueError("shares memory, which cannot hold the different values that were given for it")
    except BaseException as error:
        for done in reversed(before):
            with suppress(Exception):  # the one that has just raised will do so again
                _copy(targets[done], before[done])
        if isinstance(error, Exception):
            raise Refused(f"{name}: {first_line(error)}; nothing was changed") from error
        raise
    rest = {name: source for name, source in sources.items() if name not in waiting}
    try:
        _copy_all(targets, rest)
    except BaseException:
        _copy_all(targets, rest)
        raise


def _certain(name: str, target: Tensor, source: Tensor, shared: Collection[str]) -> bool:
    """Whether a copy cannot fail and cannot touch another entry: both plain tensors of one form on the host."""
    return (
        type(target) in PLAIN
        and target.is_cpu
        and source.is_cpu
        and name not in shared
        and target.dtype is source.dtype
        and target.shape == source.shape
        and not (target.is_inference() or target.is_conj() or target.is_neg())
        and (target.is_contiguous() or 0 not in target.stride())
    )


@torch.no_grad()
def _copy_all(targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> None:
    if sources:  # in half of the time that one copy_ after the other takes for small tensors
        torch._foreach_copy_([targets[name] for name in sources], [*sources.values()])


def _copy(target: Tensor, source: Tensor) -> None:
    with torch.inference_mode() if target.is_inference() else torch.no_grad():
        once = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in target.stride())
        target[once].copy_(source[once]) if once else target.copy_(source)
