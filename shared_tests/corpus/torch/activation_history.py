"""Activations are kept for a histogram, detached but never dropped: each step holds on to one more tensor, on the
GPU if the model is there."""

from torch import Tensor, nn

HAZARD: str | None = "G06"
ENTRY: str | None = "history"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]"]


class MonitoredNetwork(nn.Module):
    """A network that remembers its hidden means."""

    def __init__(self, features: int = 6, hidden: int = 16) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(features, hidden), nn.Linear(hidden, 4)
        self.history: dict[str, list[Tensor]] = {"hidden": []}

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).relu()
        if self.training:
            self.history["hidden"].append(hidden.detach().mean(dim=0))
        return self.head(hidden)


def build() -> nn.Module:
    return MonitoredNetwork()
