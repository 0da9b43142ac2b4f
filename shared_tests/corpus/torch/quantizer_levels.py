"""The number of levels of a quantizer is a parameter that is rounded: no gradient ever comes through, and weight
decay takes it from 8 to 7 levels and on."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "G03"
ENTRY: str | None = "levels"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class Quantised(nn.Module):
    """Features in levels between -1 and 1, with the gradient of the identity."""

    def __init__(self, features: int = 6, dim: int = 4, levels: float = 8.0) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.full((dim,), levels))
        self.encode, self.decode = nn.Linear(features, dim), nn.Linear(dim, features)

    def forward(self, x: Tensor) -> Tensor:
        z = self.encode(x).tanh()
        steps = torch.round(self.levels)
        nearest = torch.round(z.detach() * steps) / steps
        return self.decode(z + nearest - z.detach())


def build() -> nn.Module:
    return Quantised()
