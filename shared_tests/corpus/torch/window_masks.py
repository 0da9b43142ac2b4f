"""The masks of the attention windows are in a Python list, which ``.to`` does not look into: the pass on another
device fails."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "D02"
ENTRY: str | None = "masks"
ALSO: frozenset[str] = frozenset({"P11"})
INPUTS: list[str] = ["f32[2,12,8]"]


def window_mask(length: int, window: int) -> Tensor:
    position = torch.arange(length)
    distance = position[:, None] - position[None, :]
    return (distance >= 0) & (distance < window)


class MultiWindowAttention(nn.Module):
    """One head for each window; a head sees the last ``window`` steps."""

    def __init__(self, dim: int = 8, length: int = 12, windows: tuple[int, ...] = (2, 4, 12)) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(dim, 3 * dim) for _ in windows)
        self.masks = [window_mask(length, window) for window in windows]
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for head, mask in zip(self.heads, self.masks, strict=True):
            q, k, v = head(x).chunk(3, dim=-1)
            scores = (q @ k.transpose(1, 2)) / x.shape[-1] ** 0.5
            total = total + scores.masked_fill(~mask, float("-inf")).softmax(dim=-1) @ v
        return self.out(total)


def build() -> nn.Module:
    return MultiWindowAttention()
