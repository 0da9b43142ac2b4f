"""``eval()`` merges the adapter into a new buffer and ``train()`` deletes it: a checkpoint of the one mode does not
load in the other."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P12"
ENTRY: str | None = "merged"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,8]"]


class MergingLinear(nn.Module):
    """A linear layer with a low-rank adapter that is merged for evaluation."""

    def __init__(self, features: int = 8, rank: int = 2) -> None:
        super().__init__()
        self.base = nn.Linear(features, features)
        self.down = nn.Parameter(torch.randn(rank, features) / features**0.5)
        self.up = nn.Parameter(torch.zeros(features, rank))

    def train(self, mode: bool = True) -> "MergingLinear":
        super().train(mode)
        if mode and hasattr(self, "merged"):
            del self.merged
        elif not mode:
            self.register_buffer("merged", (self.base.weight + self.up @ self.down).detach())
        return self

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return self.base(x) + x @ self.down.T @ self.up.T
        return nn.functional.linear(x, self.merged, self.base.bias)


def build() -> nn.Module:
    return MergingLinear()
