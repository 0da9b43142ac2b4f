"""The frequencies of a time embedding are a plain attribute: after ``.to("cuda")`` they are still on the CPU and
the first pass fails."""

import math

import torch
from torch import Tensor, nn

HAZARD: str | None = "D02"
ENTRY: str | None = "frequencies"
ALSO: frozenset[str] = frozenset({"P11"})
INPUTS: list[str] = ["f32[4]"]


class TimeEmbedding(nn.Module):
    """A diffusion time as sines and cosines, then a small network."""

    def __init__(self, dim: int = 16, period: float = 10_000.0) -> None:
        super().__init__()
        self.frequencies = torch.exp(-math.log(period) * torch.arange(dim // 2) / (dim // 2))
        self.project = nn.Sequential(nn.Linear(dim, 32), nn.SiLU(), nn.Linear(32, 32))

    def forward(self, time: Tensor) -> Tensor:
        angles = time[:, None] * self.frequencies
        return self.project(torch.cat([angles.sin(), angles.cos()], dim=-1).to(time.dtype))


def build() -> nn.Module:
    return TimeEmbedding()
