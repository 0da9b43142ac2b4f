"""A Python generator says which head to log next: it can be neither copied nor pickled, new or used, and no output
depends on it."""

import itertools

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,8]"]


class MultiHead(nn.Module):
    """Several small heads, one of which is logged at a time."""

    def __init__(self, dim: int = 8, heads: int = 3) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(dim, 2) for _ in range(heads))
        self.turns = (turn % heads for turn in itertools.count())

    def next_to_log(self) -> int:
        return next(self.turns)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([head(x) for head in self.heads], dim=-1)


def build() -> nn.Module:
    return MultiHead()
