"""The complex poles of a state-space layer are a buffer: ``model.to(torch.bfloat16)`` keeps their real part only,
with no more than a warning, and the layer no longer oscillates."""

import math

import torch
from torch import Tensor, nn

HAZARD: str | None = "D04"
ENTRY: str | None = "poles"
ALSO: frozenset[str] = frozenset({"D07"})
INPUTS: list[str] = ["f32[2,32]"]


class DiagonalStateSpace(nn.Module):
    """A convolution whose kernel is a sum of damped oscillations."""

    def __init__(self, states: int = 8) -> None:
        super().__init__()
        poles = torch.complex(torch.full((states,), -0.05), math.pi * torch.arange(1, states + 1) / states)
        self.register_buffer("poles", poles)
        self.residues = nn.Parameter(torch.randn(states) / states)

    def forward(self, signal: Tensor) -> Tensor:
        time = torch.arange(signal.shape[-1], device=signal.device)
        modes = (self.poles[:, None] * time).exp().real.to(signal.dtype)
        kernel = self.residues @ modes
        padded = nn.functional.pad(signal, (signal.shape[-1] - 1, 0))
        return nn.functional.conv1d(padded[:, None], kernel.flip(0)[None, None])[:, 0]


def build() -> nn.Module:
    return DiagonalStateSpace()
