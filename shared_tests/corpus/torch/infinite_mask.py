"""A float mask of zeros and minus infinities looks like a constant that overflows: it is the same in every float
type, and no row is masked entirely."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,16,8]"]


class CausalAttention(nn.Module):
    """Attention to what came before."""

    def __init__(self, dim: int = 8, length: int = 32) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.register_buffer("mask", torch.full((length, length), float("-inf")).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(1, 2) / x.shape[-1] ** 0.5
        return (scores + self.mask[:length, :length]).softmax(dim=-1) @ v


def build() -> nn.Module:
    return CausalAttention()
