"""One encoder under two names: everything in it, running statistics included, is one object and stays one through
moves, casts and loads."""

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]", "f32[8,6]"]


class Matching(nn.Module):
    """How well a query matches a key, by one encoder for both."""

    def __init__(self, features: int = 6, dim: int = 8) -> None:
        super().__init__()
        encoder = nn.Sequential(nn.Linear(features, dim), nn.BatchNorm1d(dim), nn.ReLU())
        self.query_encoder = encoder
        self.key_encoder = encoder

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        return (self.query_encoder(query) * self.key_encoder(key)).sum(dim=-1)


def build() -> nn.Module:
    return Matching()
