"""A wrapper hands unknown attributes on to what it wraps and raises for some, and has a property that raises:
whoever walks the attributes must cope, the state is in order."""

from typing import Any

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class Wrapper(nn.Module):
    """Scales the output of a network, and looks like the network otherwise."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale", torch.tensor(0.5))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("old_"):
                raise RuntimeError(f"{name} was removed in version 2") from None
            return getattr(super().__getattr__("network"), name)

    @property
    def best_epoch(self) -> int:
        raise RuntimeError("not trained yet: there is no best epoch")

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.network(x)


def build() -> nn.Module:
    return Wrapper(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)))
