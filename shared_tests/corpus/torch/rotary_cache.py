"""The rotary tables are kept for a length only: after a cast a used model computes with float32 tables and answers
in float32, after a move it fails."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "M05"
ENTRY: str | None = "_tables"
ALSO: frozenset[str] = frozenset({"D02"})
INPUTS: list[str] = ["f32[2,16,8]"]


class RotaryValues(nn.Module):
    """Values, rotated by their positions, with tables that are kept from pass to pass."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.value = nn.Linear(dim, dim)
        self._tables: tuple[Tensor, Tensor] | None = None

    def tables(self, x: Tensor) -> tuple[Tensor, Tensor]:
        length, dim = x.shape[-2:]
        if self._tables is None or self._tables[0].shape[0] != length:
            frequencies = 10_000.0 ** (-torch.arange(0, dim, 2, device=x.device) / dim)
            angles = torch.outer(torch.arange(length, device=x.device), frequencies)
            self._tables = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        return self._tables

    def forward(self, x: Tensor) -> Tensor:
        cos, sin = self.tables(x)
        first, second = self.value(x).chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def build() -> nn.Module:
    return RotaryValues()
