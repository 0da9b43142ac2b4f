"""The number of rounds depends on the data: no device without memory can run it and no exporter can trace it, but
nothing is wrong with its state."""

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class AdaptiveDepth(nn.Module):
    """Applies one layer until the state hardly moves, at most eight times."""

    def __init__(self, dim: int = 8, tolerance: float = 0.05) -> None:
        super().__init__()
        self.step = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.tolerance = tolerance

    def forward(self, x: Tensor) -> Tensor:
        state = self.norm(x)
        for _ in range(8):
            following = self.norm(x + self.step(state).tanh())
            moved = (following - state).abs().max()
            state = following
            if moved < self.tolerance:
                break
        return state


def build() -> nn.Module:
    return AdaptiveDepth()
