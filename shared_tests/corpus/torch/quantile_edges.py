"""The edges of 400 quantiles are a list of Python numbers, made into a tensor in every pass: each exported program
holds them as a literal."""

import statistics

import torch
from torch import Tensor, nn

HAZARD: str | None = "C06"
ENTRY: str | None = "edges"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8]"]


class QuantileEmbedding(nn.Module):
    """A learned vector for each quantile of a normal variable."""

    def __init__(self, quantiles: int = 400, dim: int = 8) -> None:
        super().__init__()
        self.edges = statistics.NormalDist().quantiles(n=quantiles)
        self.rows = nn.Embedding(quantiles, dim)

    def forward(self, value: Tensor) -> Tensor:
        edges = torch.tensor(self.edges, device=value.device)
        return self.rows(torch.bucketize(value.float(), edges))


def build() -> nn.Module:
    return QuantileEmbedding()
