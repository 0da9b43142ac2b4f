"""The experts are in a plain list instead of an ``nn.ModuleList``: they are not trained, not saved and not moved."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P01"
ENTRY: str | None = "experts"
ALSO: frozenset[str] = frozenset({"D02", "P09", "P11"})
INPUTS: list[str] = ["f32[4,8]"]


class MixtureOfExperts(nn.Module):
    """A soft mixture of small experts."""

    def __init__(self, dim: int = 8, count: int = 3) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, count)
        self.experts = [nn.Linear(dim, dim) for _ in range(count)]

    def forward(self, x: Tensor) -> Tensor:
        share = self.gate(x).softmax(dim=-1)
        outputs = torch.stack([expert(x) for expert in self.experts], dim=-1)
        return (outputs * share[:, None, :]).sum(dim=-1)


def build() -> nn.Module:
    return MixtureOfExperts()
