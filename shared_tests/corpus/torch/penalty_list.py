"""Every pass appends its penalty to a list that nobody empties: the graph of each step stays alive until memory is
full, and a deep copy fails."""

from torch import Tensor, nn

HAZARD: str | None = "G06"
ENTRY: str | None = "losses"
ALSO: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[8,6]"]


class SparseAutoencoder(nn.Module):
    """An autoencoder that collects its sparsity penalties for the training loop."""

    def __init__(self, features: int = 6, codes: int = 12) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(features, codes), nn.Linear(codes, features)
        self.losses: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        code = self.encode(x).relu()
        self.losses.append(code.abs().mean())
        return self.decode(code)


def build() -> nn.Module:
    return SparseAutoencoder()
