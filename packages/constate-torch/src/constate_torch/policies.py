"""What PyTorch tells of an entry: a parameter is trained, and of the buffers of PyTorch's own layers it is known what
moves them. Of any other buffer it is not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.optim.swa_utils import AveragedModel

from constate.checkpoint import Policy
from constate.state import Kind

_OF_LAYERS: dict[type[nn.Module], dict[str, Kind]] = {
    _NormBase: {
        "running_mean": Kind.STATISTIC,
        "running_var": Kind.STATISTIC,
        "num_batches_tracked": Kind.COUNTER,
    },
    _SpectralNorm: {"_u": Kind.STATISTIC, "_v": Kind.STATISTIC},
    AveragedModel: {"n_averaged": Kind.COUNTER},
}


def policies(places: Mapping[str, tuple[nn.Module, str]], saved: Collection[str]) -> dict[str, Policy]:
    """What is known of every entry.

    Args:
        places: the submodule that holds each, and its name there.
        saved: those that ``state_dict`` lists.
    """
    return {
        path: _policy(Kind.PARAMETER if name in holder._parameters else _kind(holder, name), path in saved)
        for path, (holder, name) in places.items()
    }


def one_array(tensors: Mapping[str, Tensor], overlapping: Iterable[Iterable[str]]) -> list[list[str]]:
    """Those that are one array: the same elements of one memory in one order.

    Args:
        tensors: by name.
        overlapping: names of what is in common memory; others are left out.
    """
    groups: dict[object, list[str]] = {}
    for number, group in enumerate(overlapping):
        for name in group:
            if (tensor := tensors.get(name)) is not None:
                key = number, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype
                groups.setdefault(key, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


_policy = lru_cache(maxsize=64)(Policy)


def _kind(holder: nn.Module, name: str) -> Kind | None:
    for hook in holder._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm) and name in (f"{hook.name}_u", f"{hook.name}_v"):
            return Kind.STATISTIC
    layer: Any = type(holder)  # whose metaclass mypy does not take for hashable
    return _known(layer).get(name)


@lru_cache(maxsize=1024)
def _known(layer: type) -> Mapping[str, Kind]:
    return next((kinds for base, kinds in _OF_LAYERS.items() if issubclass(layer, base)), {})
