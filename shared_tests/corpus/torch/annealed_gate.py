"""Reading ``annealed`` cools the temperature, by design once an epoch: a tool that reads every attribute changes
the module, while the module itself keeps its temperature in a buffer as it should."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class AnnealedGate(nn.Module):
    """A soft choice of features that gets harder from epoch to epoch."""

    temperature: Tensor

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.randn(features))
        self.register_buffer("temperature", torch.tensor(2.0))

    @property
    def annealed(self) -> float:
        """The temperature of the next epoch."""
        self.temperature *= 0.5
        return float(self.temperature)

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.logits / self.temperature).sigmoid()


def build() -> nn.Module:
    return AnnealedGate()
