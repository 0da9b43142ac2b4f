"""The random directions of a hash are a parameter, whose gradient through ``floor`` is zero and not ``None``: AdamW
decays them at every step until all inputs fall into one bucket."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "G03"
ENTRY: str | None = "planes"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class HashedFeatures(nn.Module):
    """Bucket numbers along random directions, then a linear layer."""

    def __init__(self, features: int = 6, hashes: int = 12, width: float = 0.5) -> None:
        super().__init__()
        self.width = width
        self.planes = nn.Parameter(torch.randn(features, hashes))
        self.head = nn.Linear(hashes, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.floor(x @ self.planes / self.width))


def build() -> nn.Module:
    return HashedFeatures()
