"""The action scaler of a policy is a plain object with two tensors: a move leaves them behind and the pass on
another device fails."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "D02"
ENTRY: str | None = "scaler"
ALSO: frozenset[str] = frozenset({"P11"})
INPUTS: list[str] = ["f32[2,6]"]


class Scaler:
    """From [-1, 1] to the range of each joint."""

    def __init__(self, low: list[float], high: list[float]) -> None:
        self.centre = (torch.tensor(high) + torch.tensor(low)) / 2
        self.half = (torch.tensor(high) - torch.tensor(low)) / 2

    def __call__(self, action: Tensor) -> Tensor:
        return self.centre + self.half * action


class Policy(nn.Module):
    """Joint targets from an observation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 3), nn.Tanh())
        self.scaler = Scaler(low=[-1.0, -2.0, 0.0], high=[1.0, 2.0, 3.0])

    def forward(self, observation: Tensor) -> Tensor:
        return self.scaler(self.body(observation))


def build() -> nn.Module:
    return Policy()
