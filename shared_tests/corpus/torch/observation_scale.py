"""The largest value seen, which observations are divided by, is a Python number: it is in no checkpoint, and a
resumed run starts again with 1."""

from torch import Tensor, nn

HAZARD: str | None = "P09"
ENTRY: str | None = "largest"
ALSO: frozenset[str] = frozenset({"M05"})
INPUTS: list[str] = ["f32[8,6]"]


class ScaledCritic(nn.Module):
    """A value head on observations that are divided by the largest value seen."""

    def __init__(self, features: int = 6) -> None:
        super().__init__()
        self.largest = 1.0
        self.body = nn.Sequential(nn.Linear(features, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, observation: Tensor) -> Tensor:
        if self.training:
            self.largest = max(self.largest, observation.abs().max().item())
        return self.body(observation / self.largest)


def build() -> nn.Module:
    return ScaledCritic()
