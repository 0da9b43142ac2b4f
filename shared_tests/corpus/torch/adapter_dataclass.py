"""The low-rank adapter is a dataclass of two parameters: ``model.parameters()`` does not list them, so that
fine-tuning trains nothing and saves nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

HAZARD: str | None = "P01"
ENTRY: str | None = "adapter"
ALSO: frozenset[str] = frozenset({"D02", "P11"})
INPUTS: list[str] = ["f32[2,8]"]


@dataclass
class Adapter:
    down: nn.Parameter
    up: nn.Parameter
    scale: float = 2.0

    def __call__(self, x: Tensor) -> Tensor:
        return self.scale * (x @ self.down @ self.up)


class AdaptedLinear(nn.Module):
    """A linear layer with a low-rank correction that starts at zero."""

    def __init__(self, features: int = 8, rank: int = 2) -> None:
        super().__init__()
        self.base = nn.Linear(features, features)
        self.adapter = Adapter(
            down=nn.Parameter(torch.randn(features, rank) / rank),
            up=nn.Parameter(torch.zeros(rank, features)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.adapter(x)


def build() -> nn.Module:
    return AdaptedLinear()
