"""The attention weights of the last pass are kept for a plot, with their graph: ``copy.deepcopy`` works before the
first training pass and raises after it."""

from torch import Tensor, nn

HAZARD: str | None = "P07"
ENTRY: str | None = "weights"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,6,8]"]


class InspectedAttention(nn.Module):
    """Attention that remembers where it looked."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.weights: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        self.weights = (q @ k.transpose(1, 2) / x.shape[-1] ** 0.5).softmax(dim=-1)
        return self.weights @ v


def build() -> nn.Module:
    return InspectedAttention()
