"""The inverse frequencies follow ``.to(torch.bfloat16)``: a relative error of 1/500 times a position of 2,000 is a
few radians, and far positions are encoded at random."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "D07"
ENTRY: str | None = "inv_freq"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[1,2048,16]"]


class RotaryQueries(nn.Module):
    """Queries, rotated by their positions."""

    def __init__(self, dim: int = 16, base: float = 10_000.0) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.register_buffer("inv_freq", base ** (-torch.arange(0, dim, 2) / dim))

    def forward(self, x: Tensor) -> Tensor:
        position = torch.arange(x.shape[1], device=x.device)
        angles = torch.outer(position.float(), self.inv_freq.float())
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        first, second = self.query(x).chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def build() -> nn.Module:
    return RotaryQueries()
