"""Negatives wait in a queue of saved buffers with an integer pointer: drawn at random and moved by training, and
none of it is lost."""

import torch
from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class MomentumQueue(nn.Module):
    """Similarities to the keys of earlier batches."""

    queue: Tensor
    pointer: Tensor

    def __init__(self, features: int = 8, dim: int = 4, size: int = 16) -> None:
        super().__init__()
        self.encode = nn.Linear(features, dim)
        self.register_buffer("queue", nn.functional.normalize(torch.randn(size, dim), dim=-1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        places = (self.pointer + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = keys
        self.pointer.copy_((self.pointer + len(keys)) % len(self.queue))

    def forward(self, x: Tensor) -> Tensor:
        keys = nn.functional.normalize(self.encode(x), dim=-1)
        similarity = keys @ self.queue.clone().T
        if self.training:
            self.enqueue(keys)
        return similarity


def build() -> nn.Module:
    return MomentumQueue()
