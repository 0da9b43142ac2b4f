"""The shuffle between two coupling layers is drawn in the constructor and not saved: a loaded flow permutes
otherwise and its densities are wrong."""

import numpy as np
import torch
from torch import Tensor, nn

HAZARD: str | None = "P09"
ENTRY: str | None = "order"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class Coupling(nn.Module):
    """One half moves the other."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(dim // 2, 16), nn.ReLU(), nn.Linear(16, dim))

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=-1)
        scale, shift = self.network(first).chunk(2, dim=-1)
        return torch.cat([first, second * scale.tanh().exp() + shift], dim=-1)


class Flow(nn.Module):
    """Coupling, shuffle, coupling."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.order = np.random.permutation(dim).tolist()
        self.first, self.second = Coupling(dim), Coupling(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)[..., self.order])


def build() -> nn.Module:
    return Flow()
