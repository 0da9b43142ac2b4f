"""The padding mask is made again only for another shape: a second batch of the same shape and of other lengths is
pooled with the mask of the first."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "M05"
ENTRY: str | None = "_mask"
ALSO: frozenset[str] = frozenset({"P09"})
INPUTS: list[str] = ["f32[2,16,8]", "i64[2]<16"]


class MaskedPooling(nn.Module):
    """The mean over the steps that are not padding."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim)
        self._mask: Tensor | None = None

    def padding_mask(self, x: Tensor, lengths: Tensor) -> Tensor:
        mask = self._mask
        if mask is None or mask.shape != x.shape[:2] or mask.device != x.device:
            mask = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
            self._mask = mask
        return mask

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        mask = self.padding_mask(x, lengths)[..., None]
        return (self.linear(x) * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def build() -> nn.Module:
    return MaskedPooling()
