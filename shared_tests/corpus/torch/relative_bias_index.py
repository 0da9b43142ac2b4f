"""``reset_parameters`` draws the weights again but forgets the relative index, which is not saved: after a build on
``meta`` the bias is looked up at garbage."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P11"
ENTRY: str | None = "index"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,16,8]"]


class WindowAttention(nn.Module):
    """Attention over a window, with a bias for each relative position."""

    def __init__(self, dim: int = 8, length: int = 16) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.bias = nn.Parameter(torch.empty(2 * length - 1))
        position = torch.arange(length)
        self.register_buffer("index", position[:, None] - position[None, :] + length - 1, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.qkv.reset_parameters()
        nn.init.normal_(self.bias, std=0.5)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(1, 2) / x.shape[-1] ** 0.5
        return (scores + self.bias[self.index]).softmax(dim=-1) @ v


def build() -> nn.Module:
    return WindowAttention()
