"""Causal self-attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import torch
from torch import Tensor, nn


class Projection(nn.Module):
    """``x @ kernel`` with ``kernel`` float32 ``[in_features, out_features]``, trained."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(in_features, out_features))
        nn.init.xavier_uniform_(self.kernel)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.kernel


class CausalAttention(nn.Module):
    """Self-attention of ``x`` float ``[batch, length, features]`` in which position ``i`` sees ``0..i``.

    State: ``mask`` bool ``[max_length, max_length]``, derived from ``max_length`` and not saved; four trained
    projections.
    """

    mask: Tensor

    def __init__(self, features: int, heads: int, max_length: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Projection(features, features)
        self.key = Projection(features, features)
        self.value = Projection(features, features)
        self.output = Projection(features, features)
        mask = torch.ones(max_length, max_length, dtype=torch.bool).tril()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, features = x.shape
        query, key, value = (
            project(x).view(batch, length, self.heads, features // self.heads).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        scores = query @ key.mT * query.shape[-1] ** -0.5
        scores = scores.masked_fill(~self.mask[:length, :length], float("-inf"))
        joined = (scores.softmax(-1) @ value).transpose(1, 2).reshape(x.shape)
        projected: Tensor = self.output(joined)
        return projected
