"""Standardises inputs with statistics fitted chunk by chunk (Chan et al. 1979, pairwise rule)."""

import torch
from torch import Tensor, nn


class InputNormalizer(nn.Module):
    """``(x - mean) / sqrt(variance + epsilon)`` for ``x`` float ``[batch, features]``.

    State: ``mean`` and ``variance`` float32 ``[features]`` of the ``count`` int32 ``[]`` rows seen so far; a pass in
    training mode merges its rows into them first.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, features: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.register_buffer("count", torch.zeros((), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.mean, self.variance
        inputs = x.to(mean.dtype)
        if self.training:
            share = len(x) / (self.count + len(x)).to(mean.dtype)
            delta = inputs.mean(0) - mean
            spread = inputs.var(0, correction=0) - variance
            variance = variance + share * spread + share * (1 - share) * delta**2
            mean = mean + share * delta
            with torch.no_grad():
                self.mean.copy_(mean)
                self.variance.copy_(variance)
                self.count.add_(len(x))
        return ((inputs - mean) * torch.rsqrt(variance + self.epsilon)).to(x.dtype)
