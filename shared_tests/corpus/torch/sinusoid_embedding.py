"""The position table is a buffer that is not saved: after a build on ``meta``, ``to_empty`` and a load it holds
whatever was in memory, and nothing says so."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P11"
ENTRY: str | None = "table"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["i64[2,16]<100"]


def sinusoids(length: int, dim: int) -> Tensor:
    frequencies = 10_000.0 ** (-torch.arange(0, dim, 2) / dim)
    angles = torch.outer(torch.arange(length), frequencies)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Embedding(nn.Module):
    """Tokens and their positions."""

    def __init__(self, vocabulary: int = 100, dim: int = 16, length: int = 64) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, dim)
        self.norm = nn.LayerNorm(dim)
        self.register_buffer("table", sinusoids(length, dim), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.norm(self.token(tokens) + self.table[: tokens.shape[1]])


def build() -> nn.Module:
    return Embedding()
