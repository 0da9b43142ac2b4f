"""The bias of masked positions is -1e9, which is -inf in float16: multiplied by the 0 of a visible position it is
NaN, and so is every output after ``model.half()``."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "D07"
ENTRY: str | None = "masked_bias"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,16,8]"]


class CausalAttention(nn.Module):
    """Attention to what came before, by a mask of zeros and ones."""

    def __init__(self, dim: int = 8, length: int = 32) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.register_buffer("visible", torch.ones(length, length).tril())
        self.register_buffer("masked_bias", torch.tensor(-1e9))

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        visible = self.visible[:length, :length]
        scores = q @ k.transpose(1, 2) / x.shape[-1] ** 0.5
        return (scores + (1 - visible) * self.masked_bias).softmax(dim=-1) @ v


def build() -> nn.Module:
    return CausalAttention()
