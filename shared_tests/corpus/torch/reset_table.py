"""The position table is not saved by design: ``reset_parameters`` computes it again, which is what a build on
``meta`` calls after ``to_empty``."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["i64[2,16]<100"]


class PositionalEncoding(nn.Module):
    """Adds sines and cosines of the position."""

    table: Tensor

    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.empty(length, dim), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        length, dim = self.table.shape
        device = self.table.device
        frequencies = 10_000.0 ** (-torch.arange(0, dim, 2, device=device) / dim)
        angles = torch.outer(torch.arange(length, device=device), frequencies)
        self.table.copy_(torch.cat([angles.sin(), angles.cos()], dim=-1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[: x.shape[1]]


def build() -> nn.Module:
    return nn.Sequential(nn.Embedding(100, 16), PositionalEncoding(16, length=64), nn.Linear(16, 8))
