"""The decay rates are log-spaced over four decades like the frequencies of a rotary table, but only scale a state
that is short: rounding them to half precision is harmless."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,4,16]"]


class MovingAverages(nn.Module):
    """Each channel averaged over the past at a rate of its own."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.register_buffer("rate", torch.logspace(-4, -0.3, channels))
        self.mix = nn.Linear(channels, 8)

    def forward(self, x: Tensor) -> Tensor:
        state = x[:, 0]
        for step in x[:, 1:].unbind(dim=1):
            state = state + self.rate * (step - state)
        return self.mix(state)


def build() -> nn.Module:
    return MovingAverages()
