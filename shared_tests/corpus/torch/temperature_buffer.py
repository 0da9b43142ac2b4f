"""A parameter is registered as a buffer: it gathers gradients, but ``parameters()`` does not list it, and the
temperature that should be learned never is."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "G01"
ENTRY: str | None = "temperature"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]", "f32[4,8]"]


class ContrastiveHead(nn.Module):
    """Similarities of two views over a temperature."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.project = nn.Linear(dim, dim)
        self.register_buffer("temperature", nn.Parameter(torch.tensor(0.5)))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        a = nn.functional.normalize(self.project(one), dim=-1)
        b = nn.functional.normalize(self.project(other), dim=-1)
        return a @ b.T / self.temperature


def build() -> nn.Module:
    return ContrastiveHead()
