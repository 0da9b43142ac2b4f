"""The running mean is a buffer with ``persistent=False``: training moves it, the checkpoint does not hold it, and
the loaded model centres by zero."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P09"
ENTRY: str | None = "mean"
ALSO: frozenset[str] = frozenset({"M05", "P11"})
INPUTS: list[str] = ["f32[8,6]"]


class CentredNetwork(nn.Module):
    """Takes the running mean of its hidden features away before the head."""

    mean: Tensor

    def __init__(self, features: int = 6, hidden: int = 16, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.body = nn.Linear(features, hidden)
        self.head = nn.Linear(hidden, 4)
        self.register_buffer("mean", torch.zeros(hidden), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).relu()
        if self.training:
            self.mean.lerp_(hidden.detach().mean(dim=0), self.momentum)
        return self.head(hidden - self.mean)


def build() -> nn.Module:
    return CentredNetwork()
