"""Activation normalisation takes its shift and scale from the first training batch and has ``None`` before: a
trained checkpoint cannot be loaded into a new model."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P13"
ENTRY: str | None = "shift"
ALSO: frozenset[str] = frozenset({"P12"})
INPUTS: list[str] = ["f32[8,6]"]


class ActNorm(nn.Module):
    """Shift and scale that are set once, from data."""

    shift: Tensor | None
    scale: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", None)
        self.register_buffer("scale", None)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        self.shift = -x.mean(dim=0)
        self.scale = 1 / (x.std(dim=0) + 1e-3)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.shift is None:
            self.initialise(x)
        return x if self.shift is None or self.scale is None else (x + self.shift) * self.scale


def build() -> nn.Module:
    return nn.Sequential(ActNorm(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2))
