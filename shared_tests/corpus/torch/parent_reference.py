"""Each layer holds its network without registering it, which makes a cycle: everything that it reaches there is
registered by the network already."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class ScaledLayer(nn.Module):
    """A layer that is scaled by a parameter of its network."""

    def __init__(self, network: "Network", dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim)
        self.__dict__["network"] = network  # past nn.Module's registration

    def forward(self, x: Tensor) -> Tensor:
        return x + self.network.scale * self.linear(x).tanh()


class Network(nn.Module):
    """Three layers with a common scale."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.layers = nn.ModuleList(ScaledLayer(self, dim) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def build() -> nn.Module:
    return Network()
