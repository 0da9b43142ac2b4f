"""The last four losses are kept as numbers in a bounded queue: it fills up and then stays as it is."""

from collections import deque

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class SparseAutoencoder(nn.Module):
    """An autoencoder that remembers its last sparsity penalties."""

    def __init__(self, features: int = 6, codes: int = 12) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(features, codes), nn.Linear(codes, features)
        self.recent: deque[float] = deque(maxlen=4)

    def forward(self, x: Tensor) -> Tensor:
        code = self.encode(x).relu()
        if self.training and not code.is_meta:
            self.recent.append(float(code.detach().abs().mean()))
        return self.decode(code)


def build() -> nn.Module:
    return SparseAutoencoder()
