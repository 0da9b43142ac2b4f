"""The position numbers are integers that are not saved: no cast touches them, and ``reset_parameters`` counts them
again."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["i64[2,16]<100"]


class TextEmbedding(nn.Module):
    """Tokens and learned positions."""

    def __init__(self, vocabulary: int = 100, length: int = 32, dim: int = 8) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(vocabulary, dim), nn.Embedding(length, dim)
        self.norm = nn.LayerNorm(dim)
        self.register_buffer("position_ids", torch.arange(length), persistent=False)

    def reset_parameters(self) -> None:
        self.position_ids = torch.arange(len(self.position_ids), device=self.position_ids.device)

    def forward(self, tokens: Tensor) -> Tensor:
        ids = self.position_ids[: tokens.shape[1]]
        return self.norm(self.token(tokens) + self.position(ids))


def build() -> nn.Module:
    return TextEmbedding()
