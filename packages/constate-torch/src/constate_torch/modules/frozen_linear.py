"""A linear map with a fixed weight."""

import torch
from torch import Tensor, nn


class FrozenLinear(nn.Module):
    """``x @ kernel + bias`` for ``x`` float ``[batch, in_features]``.

    State: ``kernel`` float32 ``[in_features, out_features]`` and ``bias`` float32 ``[out_features]``, constants drawn
    when the module is made.
    """

    kernel: Tensor
    bias: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.randn(in_features, out_features) * in_features**-0.5)
        self.register_buffer("bias", torch.randn(out_features))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.kernel + self.bias
