"""A running mean is declared as a parameter: forward passes move it by hand, while ``parameters()`` offers it to
the optimizer, to weight decay and to gradient clipping."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "G01"
ENTRY: str | None = "mean"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class CentredLinear(nn.Module):
    """A linear layer on inputs around their running mean."""

    def __init__(self, features: int = 6, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.mean = nn.Parameter(torch.zeros(features))
        self.linear = nn.Linear(features, 4)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(x.mean(dim=0), self.momentum)
        return self.linear(x - self.mean.detach())


def build() -> nn.Module:
    return CentredLinear()
