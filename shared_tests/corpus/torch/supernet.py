"""A search network of 1,000 candidate layers, of which a pass uses one in 25: many modules, and many parameters without
a gradient, are no defect."""

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,4]"]


class Cell(nn.Module):
    """Candidates of which one is chosen."""

    def __init__(self, dim: int, candidates: int) -> None:
        super().__init__()
        self.candidates = nn.ModuleList(nn.Linear(dim, dim) for _ in range(candidates))
        self.chosen = 0

    def forward(self, x: Tensor) -> Tensor:
        return x + self.candidates[self.chosen](x).tanh()


def build() -> nn.Module:
    return nn.Sequential(*(Cell(4, candidates=25) for _ in range(40)))
