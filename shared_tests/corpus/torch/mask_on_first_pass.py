"""The causal mask is ``None`` until the first pass makes it: from then on it is saved, and a fresh model, which has
no place for it, refuses the checkpoint."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P13"
ENTRY: str | None = "mask"
ALSO: frozenset[str] = frozenset({"P12"})
INPUTS: list[str] = ["f32[2,16,8]"]


class CausalSelfAttention(nn.Module):
    """Attention to what came before."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.register_buffer("mask", None)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        if self.mask is None or self.mask.shape[0] != length:
            self.mask = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(1, 2) / x.shape[-1] ** 0.5
        return self.out(scores.masked_fill(~self.mask, float("-inf")).softmax(dim=-1) @ v)


def build() -> nn.Module:
    return CausalSelfAttention()
