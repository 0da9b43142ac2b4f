"""The subclass registers an ``offset`` of its own, and with it replaces the one that its base class centres by:
PyTorch takes the second without a word."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "N03"
ENTRY: str | None = "offset"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,6]"]


class Centred(nn.Module):
    """A linear layer on inputs around a known centre."""

    def __init__(self, features: int, centre: float) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 4)
        self.register_buffer("offset", torch.full((features,), centre))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x - self.offset)


class CentredQuantiles(Centred):
    """Quantiles in increasing order, above a known offset."""

    def __init__(self, features: int = 6, centre: float = 0.5, lowest: float = -3.0) -> None:
        super().__init__(features, centre)
        self.register_buffer("offset", torch.tensor(lowest))

    def forward(self, x: Tensor) -> Tensor:
        return self.offset + nn.functional.softplus(super().forward(x)).cumsum(dim=-1)


def build() -> nn.Module:
    return CentredQuantiles()
