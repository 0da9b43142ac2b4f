"""Training noise comes from a generator of the module's own, on the CPU: the draws are brought to the input's
device, and no evaluation depends on them."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class Jittered(nn.Module):
    """Jitters its inputs in training, by a random stream that no other layer disturbs."""

    def __init__(self, features: int = 8, width: float = 0.1, seed: int = 0) -> None:
        super().__init__()
        self.width = width
        self.source = torch.Generator(device="cpu").manual_seed(seed)
        self.body = nn.Sequential(nn.Linear(features, 16), nn.ReLU(), nn.Linear(16, 4))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            noise = torch.randn(x.shape, generator=self.source, device="cpu")
            x = x + self.width * noise.to(x)
        return self.body(x)


def build() -> nn.Module:
    return Jittered()
