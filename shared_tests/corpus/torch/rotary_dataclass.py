"""The rotary tables are the fields of a dataclass, which no module knows of: after a move they are on the old
device and the pass fails."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

HAZARD: str | None = "D02"
ENTRY: str | None = "tables"
ALSO: frozenset[str] = frozenset({"P11"})
INPUTS: list[str] = ["f32[2,16,8]"]


@dataclass
class RotaryTables:
    cos: Tensor
    sin: Tensor

    @classmethod
    def make(cls, dim: int, length: int) -> "RotaryTables":
        frequencies = 10_000.0 ** (-torch.arange(0, dim, 2) / dim)
        angles = torch.outer(torch.arange(length), frequencies)
        return cls(angles.cos(), angles.sin())


class RotaryQueries(nn.Module):
    """Queries, rotated by their positions."""

    def __init__(self, dim: int = 8, length: int = 16) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.tables = RotaryTables.make(dim, length)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.query(x).chunk(2, dim=-1)
        cos, sin = self.tables.cos[: x.shape[1]], self.tables.sin[: x.shape[1]]
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1).to(x.dtype)


def build() -> nn.Module:
    return RotaryQueries()
