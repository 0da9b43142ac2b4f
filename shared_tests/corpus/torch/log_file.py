"""The module logs to an open file: the handle keeps it from being copied or pickled, and is no state."""

import os
from pathlib import Path

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,8]"]


class LoggedLinear(nn.Module):
    """A linear layer that logs the shapes that it sees."""

    def __init__(self, features: int = 8, log: str = os.devnull) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 4)
        self.log = Path(log).open("a")  # noqa: SIM115 open as long as the module lives

    def forward(self, x: Tensor) -> Tensor:
        self.log.write(f"{tuple(x.shape)}\n")
        return self.linear(x)


def build() -> nn.Module:
    return LoggedLinear()
