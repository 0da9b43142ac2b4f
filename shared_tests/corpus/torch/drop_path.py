"""The drop rates are read with ``.item()`` in the constructor: right on a real device, impossible on ``meta``,
where the module cannot be built."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,8]"]


class ResidualBlock(nn.Module):
    """A residual branch that is left out at random in training."""

    def __init__(self, dim: int, drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.branch = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        branch = self.branch(x)
        if self.training:
            kept = torch.rand(x.shape[0], 1, device=x.device) >= self.drop
            branch = branch * kept / (1 - self.drop)
        return x + branch


def build() -> nn.Module:
    rates = [rate.item() for rate in torch.linspace(0.0, 0.3, 4)]
    return nn.Sequential(*(ResidualBlock(8, drop=rate) for rate in rates))
