"""The output layer has the weight of the embedding: one parameter under two names, which moves, casts and loads keep
one, and which ``reset_parameters`` ties again after ``to_empty``."""

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["i64[2,12]<50"]


class LanguageModel(nn.Module):
    """Next tokens from a recurrent layer, with a tied output."""

    def __init__(self, vocabulary: int = 50, dim: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.recurrent = nn.GRU(dim, dim, batch_first=True)
        self.output = nn.Linear(dim, vocabulary, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        hidden, _ = self.recurrent(self.embedding(tokens))
        return self.output(hidden)


def build() -> nn.Module:
    return LanguageModel()
