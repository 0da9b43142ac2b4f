"""Running mean, variance and count are saved buffers, updated under ``no_grad`` in training only: the textbook
case."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class RunningNorm(nn.Module):
    """Standardises by all inputs of training so far, and by the given ones before there are any."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        total = self.count + x.shape[0]
        share = x.shape[0] / total
        difference = x.mean(dim=0) - self.mean
        self.variance.lerp_(x.var(dim=0, correction=0), share.to(x.dtype))
        self.variance += share * (1 - share) * difference.square()
        self.mean += share * difference
        self.count.copy_(total)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.update(x)
        return (x - self.mean) / (self.variance + 1e-5).sqrt()


def build() -> nn.Module:
    return nn.Sequential(RunningNorm(6), nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
