"""The fixed position table is a parameter with ``requires_grad=False``: the usual ``requires_grad_(False)`` and
``requires_grad_(True)`` of a fine-tuning schedule start to train it."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "G07"
ENTRY: str | None = "positions"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,16,8]"]


def sinusoids(length: int, dim: int) -> Tensor:
    frequencies = 10_000.0 ** (-torch.arange(0, dim, 2) / dim)
    angles = torch.outer(torch.arange(length), frequencies)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class PatchEmbedding(nn.Module):
    """Patches and their positions."""

    def __init__(self, dim: int = 8, length: int = 16) -> None:
        super().__init__()
        self.project = nn.Linear(dim, dim)
        self.positions = nn.Parameter(sinusoids(length, dim), requires_grad=False)

    def forward(self, patches: Tensor) -> Tensor:
        return self.project(patches) + self.positions[: patches.shape[1]]


def build() -> nn.Module:
    return PatchEmbedding()
