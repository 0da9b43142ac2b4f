"""An ``_apply`` that makes every tensor as small as the weights turns the integer table that renumbers tokens into
bfloat16 as well: above 256 the ids are rounded, and tokens get the rows of their neighbours."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

HAZARD: str | None = "D04"
ENTRY: str | None = "remap"
ALSO: frozenset[str] = frozenset({"D07"})
INPUTS: list[str] = ["i64[2,16]<1000"]


class PrunedEmbedding(nn.Module):
    """An embedding with rows for every other token; the rest use the row before."""

    remap: Tensor

    def __init__(self, vocabulary: int = 1000, dim: int = 8) -> None:
        super().__init__()
        self.rows = nn.Embedding(vocabulary // 2, dim)
        self.register_buffer("remap", torch.arange(vocabulary) // 2)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PrunedEmbedding":
        super()._apply(fn, recurse)
        dtype = self.rows.weight.dtype
        if dtype.itemsize == 2:  # half the memory for all that we hold
            self.remap = self.remap.to(dtype)
        return self

    def forward(self, tokens: Tensor) -> Tensor:
        return self.rows(self.remap[tokens].long())


def build() -> nn.Module:
    return PrunedEmbedding()
