"""Complex poles are trained as pairs of real numbers and made complex in the pass: a cast rounds them and loses
nothing."""

import math

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,32]"]


class DiagonalStateSpace(nn.Module):
    """A convolution whose kernel is a sum of damped oscillations."""

    def __init__(self, states: int = 4) -> None:
        super().__init__()
        pairs = torch.stack([torch.full((states,), -0.1), math.pi * torch.rand(states)], dim=-1)
        self.poles = nn.Parameter(pairs)
        self.residues = nn.Parameter(torch.randn(states) / states)

    def forward(self, signal: Tensor) -> Tensor:
        time = torch.arange(signal.shape[-1], device=signal.device)
        poles = torch.view_as_complex(self.poles.float())
        kernel = self.residues @ (poles[:, None] * time).exp().real.to(signal.dtype)
        padded = nn.functional.pad(signal, (signal.shape[-1] - 1, 0))
        return nn.functional.conv1d(padded[:, None], kernel.flip(0)[None, None])[:, 0]


def build() -> nn.Module:
    return DiagonalStateSpace()
