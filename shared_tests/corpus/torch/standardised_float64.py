"""The mean and deviation of the data are float64 and a cast rounds them: the input is as coarse as they are then,
and the output does not suffer."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class Standardised(nn.Module):
    """A linear layer on standardised features."""

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        self.register_buffer("mean", torch.linspace(-0.3, 0.3, features, dtype=torch.float64))
        self.register_buffer("deviation", torch.linspace(0.7, 1.9, features, dtype=torch.float64))
        self.linear = nn.Linear(features, 4)

    def forward(self, x: Tensor) -> Tensor:
        standard = (x - self.mean) / self.deviation
        return self.linear(standard.to(x.dtype))


def build() -> nn.Module:
    return Standardised()
