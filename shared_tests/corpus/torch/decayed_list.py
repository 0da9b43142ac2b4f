"""A list holds the weights that shall be decayed: the same parameters that are registered under their layers, and
not other ones."""

from typing import Any

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class Network(nn.Module):
    """A network that says which of its parameters decay."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(dim, 16), nn.Linear(16, 4)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.decayed = [self.first.weight, self.second.weight]

    def groups(self) -> list[dict[str, Any]]:
        return [
            {"params": self.decayed, "weight_decay": 0.1},
            {"params": [self.first.bias, self.second.bias], "weight_decay": 0.0},
        ]

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu())


def build() -> nn.Module:
    return Network()
