"""An attention with its projections in one layer, in several orders, and its twin with three."""

from __future__ import annotations

import einops
import torch
from torch import Tensor, nn

HEADS = 4


class Attention(nn.Module):
    """Series ``[batch, 5, 8]``."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Linear(8, 8)
        self.outward = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (einops.rearrange(part, "b s (h d) -> b h s d", h=HEADS) for part in self.projected(x))
        looked = torch.softmax(query @ key.transpose(2, 3), -1) @ value
        found: Tensor = self.outward(einops.rearrange(looked, "b h s d -> b s (h d)"))
        return found

    def projected(self, x: Tensor) -> tuple[Tensor, ...]:
        raise NotImplementedError


class Apart(Attention):
    """Three layers."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))

    def projected(self, x: Tensor) -> tuple[Tensor, ...]:
        x = torch.tanh(self.inward(x))
        return self.query(x), self.key(x), self.value(x)


class Together(Attention):
    """One layer, whose outputs are in this order."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.order = order

    def projected(self, x: Tensor) -> tuple[Tensor, ...]:
        found = self.qkv(torch.tanh(self.inward(x)))
        return tuple(einops.rearrange(found, f"b s ({self.order}) -> part b s (h d)", part=3, h=HEADS))


def apart() -> nn.Module:
    return Apart()


def in_blocks() -> nn.Module:
    return Together("part h d")


def by_heads() -> nn.Module:
    return Together("h part d")


def otherwise() -> nn.Module:
    return Together("d part h")
