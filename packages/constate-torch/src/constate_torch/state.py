"""Where a ``torch.nn.Module`` keeps its state: its parameters and buffers by canonical path."""

from __future__ import annotations

from torch import Tensor, nn

from constate.errors import Refused


def entries(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer by canonical path, shared ones once for each path."""
    found: dict[str, Tensor] = dict(module.named_parameters(remove_duplicate=False))
    found |= dict(module.named_buffers(remove_duplicate=False))
    return {name.replace(".", "/"): tensor for name, tensor in found.items()}


def persistent(module: nn.Module) -> dict[str, Tensor]:
    """The entries that ``state_dict`` lists, by canonical path.

    Raises:
        Refused: the module keeps extra state that is no tensor.
    """
    found = module.state_dict(keep_vars=True)
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise Refused(
                f"{name}: found {type(value).__name__}, expected a tensor; keep it outside of get_extra_state"
            )
    return {name.replace(".", "/"): tensor for name, tensor in found.items()}


def owner(module: nn.Module, path: str) -> tuple[nn.Module, str]:
    """The submodule that holds an entry, and the entry's name in it."""
    parent, _, name = path.rpartition("/")
    return module.get_submodule(parent.replace("/", ".")), name
