"""The random projection of a target quantizer is ``persistent=False`` to keep files small, but it is drawn, not
computed: a resumed run has other targets."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P09"
ENTRY: str | None = "projection"
ALSO: frozenset[str] = frozenset({"P11"})
INPUTS: list[str] = ["f32[2,6,8]"]


class RandomProjectionTargets(nn.Module):
    """Soft assignment of projected features to a codebook."""

    def __init__(self, dim: int = 8, code_dim: int = 4, codes: int = 10) -> None:
        super().__init__()
        self.register_buffer("projection", torch.randn(dim, code_dim) / dim**0.5, persistent=False)
        self.register_buffer("codebook", nn.functional.normalize(torch.randn(codes, code_dim), dim=-1))
        self.scale = nn.Parameter(torch.tensor(5.0))

    def forward(self, features: Tensor) -> Tensor:
        projected = nn.functional.normalize(features @ self.projection, dim=-1)
        return (self.scale * projected @ self.codebook.T).softmax(dim=-1)


def build() -> nn.Module:
    return RandomProjectionTargets()
