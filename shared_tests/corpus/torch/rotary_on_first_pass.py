"""The rotary tables become buffers at the first pass: a checkpoint that is saved after it has keys that a fresh
model does not know, and loading it fails."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P12"
ENTRY: str | None = "cos"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,16,8]"]


class RotaryKeys(nn.Module):
    """Keys, rotated by their positions; the tables grow with the longest sequence."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.dim = dim
        self.key = nn.Linear(dim, dim)

    def extend(self, length: int, device: torch.device) -> None:
        frequencies = 10_000.0 ** (-torch.arange(0, self.dim, 2, device=device) / self.dim)
        angles = torch.outer(torch.arange(length, device=device), frequencies)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        if not hasattr(self, "cos") or self.cos.shape[0] < length:
            self.extend(length, x.device)
        first, second = self.key(x).chunk(2, dim=-1)
        cos, sin = self.cos[:length].to(x.dtype), self.sin[:length].to(x.dtype)
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def build() -> nn.Module:
    return RotaryKeys()
