"""The running centre is updated without ``detach``: the buffer holds the graphs of all steps so far, memory grows,
and the module cannot be copied."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "G01"
ENTRY: str | None = "centre"
ALSO: frozenset[str] = frozenset({"G06", "P07"})
INPUTS: list[str] = ["f32[8,6]"]


class CentredTeacher(nn.Module):
    """Logits around a running centre."""

    def __init__(self, features: int = 6, classes: int = 5, momentum: float = 0.9) -> None:
        super().__init__()
        self.momentum = momentum
        self.head = nn.Linear(features, classes)
        self.register_buffer("centre", torch.zeros(classes))

    def forward(self, x: Tensor) -> Tensor:
        logits = self.head(x)
        centred = logits - self.centre.detach()
        if self.training:
            self.centre = self.momentum * self.centre + (1 - self.momentum) * logits.mean(dim=0)
        return centred


def build() -> nn.Module:
    return CentredTeacher()
