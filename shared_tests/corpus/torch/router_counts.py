"""The counts of a router are a tensor in the default argument, one for all instances: training one model moves the
counts of the other."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "D06"
ENTRY: str | None = "counts"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


NO_COUNTS = torch.zeros(4)


class BalancedRouter(nn.Module):
    """Routes to experts, with a handicap for those that were used most."""

    def __init__(self, features: int = 6, counts: Tensor = NO_COUNTS) -> None:
        super().__init__()
        self.score = nn.Linear(features, counts.shape[0])
        self.register_buffer("counts", counts)

    def forward(self, x: Tensor) -> Tensor:
        share = (self.score(x) - (1 + self.counts).log()).softmax(dim=-1)
        if self.training:
            self.counts += share.detach().sum(dim=0)
        return share


def build() -> nn.Module:
    return BalancedRouter()
