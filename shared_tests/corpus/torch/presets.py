"""A dict on the class is shared by all instances: it is a table of presets that nobody writes to, and no state."""

from typing import Any, ClassVar

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class FeedForward(nn.Module):
    """A feed-forward network in one of several sizes."""

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"hidden": 8, "activation": nn.ReLU},
        "small": {"hidden": 16, "activation": nn.GELU},
    }

    def __init__(self, preset: str = "small", features: int = 8) -> None:
        super().__init__()
        chosen = self.PRESETS[preset]
        self.up = nn.Linear(features, chosen["hidden"])
        self.activation = chosen["activation"]()
        self.down = nn.Linear(chosen["hidden"], features)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.activation(self.up(x)))


def build() -> nn.Module:
    return FeedForward()
