"""Dropout and noise make each training pass another one: evaluation is exact, and nothing of it needs saving."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class NoisyNetwork(nn.Module):
    """Noise on the inputs and dropout in the middle, both in training only."""

    def __init__(self, features: int = 8, noise: float = 0.3) -> None:
        super().__init__()
        self.noise = noise
        self.body = nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 4))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = x + self.noise * torch.randn_like(x)
        return self.body(x)


def build() -> nn.Module:
    return NoisyNetwork()
