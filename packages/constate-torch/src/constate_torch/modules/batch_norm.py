"""Batch normalisation (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167)."""

import torch
from torch import Tensor, nn


class BatchNorm(nn.Module):
    """Normalises ``x`` float ``[batch, features]``, by the batch in training mode and by the running statistics else.

    State: ``scale`` and ``bias`` float32 ``[features]``, trained; ``mean`` and ``variance`` float32 ``[features]`` and
    ``count`` int32 ``[]``, moved by the forward pass in training mode.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, features: int, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.momentum = momentum
        self.epsilon = epsilon
        self.scale = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.register_buffer("count", torch.zeros((), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.mean, self.variance
        inputs = x.to(mean.dtype)
        if self.training:
            mean, variance = inputs.mean(0), inputs.var(0, correction=0)
            with torch.no_grad():
                self.mean.lerp_(mean, self.momentum)
                self.variance.lerp_(variance * len(x) / (len(x) - 1), self.momentum)
                self.count.add_(1)
        normal = (inputs - mean) * torch.rsqrt(variance + self.epsilon)
        return (normal * self.scale + self.bias).to(x.dtype)
