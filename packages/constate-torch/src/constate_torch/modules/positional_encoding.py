"""Sinusoidal positional encoding (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import torch
from torch import Tensor, nn


class PositionalEncoding(nn.Module):
    """Adds a fixed table to ``x`` float ``[batch, length, features]``, ``length <= max_length``.

    State: ``table`` float32 ``[max_length, features]``, a constant.
    """

    table: Tensor

    def __init__(self, max_length: int, features: int) -> None:
        super().__init__()
        positions = torch.arange(max_length, dtype=torch.float64)
        exponents = torch.arange(0, features, 2, dtype=torch.float64) / features
        angles = positions[:, None] / 10000**exponents
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
        self.register_buffer("table", table.float())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[: x.shape[1]]
