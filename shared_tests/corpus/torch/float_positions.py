"""Positions are kept as floats: bfloat16 counts to 256 and then in steps of two and more, so that the distance of
neighbours becomes 0 or 2."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "D07"
ENTRY: str | None = "positions"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[1,512,8]"]


class DistanceAttention(nn.Module):
    """Attention that decays with the distance."""

    def __init__(self, dim: int = 8, length: int = 512, slope: float = 2.0) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.slope = slope
        self.register_buffer("positions", torch.arange(length).float())

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        position = self.positions[: x.shape[1]]
        distance = (position[:, None] - position[None, :]).abs()
        scores = q @ k.transpose(1, 2) / x.shape[-1] ** 0.5 - self.slope * distance
        return scores.softmax(dim=-1) @ v


def build() -> nn.Module:
    return DistanceAttention()
