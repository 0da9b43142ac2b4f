"""Rotary position embedding (Su et al. 2021, https://arxiv.org/abs/2104.09864)."""

import torch
from torch import Tensor, nn


class RotaryEmbedding(nn.Module):
    """Turns the pairs ``(x[..., i], x[..., i + features / 2])`` by ``positions * inv_freq[i]``.

    ``x`` is float ``[batch, length, features]``, ``positions`` int ``[length]``.

    State: ``inv_freq`` float32 ``[features / 2]``, derived from ``base`` and not saved. The angles need its float32
    precision whatever the type of ``x``.
    """

    inv_freq: Tensor

    def __init__(self, features: int, base: float = 10000.0) -> None:
        super().__init__()
        exponents = torch.arange(0, features, 2, dtype=torch.float64) / features
        self.register_buffer("inv_freq", (base**-exponents).float(), persistent=False)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        angles = positions[:, None].float() * self.inv_freq
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
