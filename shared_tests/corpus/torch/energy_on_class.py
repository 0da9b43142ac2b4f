"""The running energy starts as a tensor on the class, and is updated in place: all instances of a process have one
statistic."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "D06"
ENTRY: str | None = "energy"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class EnergyNormalised(nn.Module):
    """Divides by the root of the running energy."""

    START = torch.ones(())

    def __init__(self, features: int = 6, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.linear = nn.Linear(features, 4)
        self.register_buffer("energy", self.START)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.linear(x)
        if self.training:
            self.energy.lerp_(hidden.detach().square().mean(), self.momentum)
        return hidden * (self.energy + 1e-5).rsqrt()


def build() -> nn.Module:
    return EnergyNormalised()
