"""``FrozenLinear`` with one defect each, in PyTorch."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn


class TrainedLinear(nn.Module):
    """The constants are parameters."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(in_features, out_features))
        self.bias = nn.Parameter(torch.randn(out_features))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.kernel + self.bias


class _Linear(nn.Module):
    kernel: Tensor
    bias: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.randn(in_features, out_features))
        self.register_buffer("bias", torch.randn(out_features))


TABLE = torch.ones(512)


class CapturedLinear(_Linear):
    """A table is a global of the file."""

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.kernel + self.bias * TABLE


class StrayLinear(_Linear):
    """A helper object keeps a tensor."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.helper = SimpleNamespace(table=torch.zeros(out_features, device="cpu"))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.kernel + self.bias + self.helper.table


class HoardingLinear(_Linear):
    """A list keeps every batch."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.batches: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(x)
        return x @ self.kernel + self.bias


class GraphLinear(_Linear):
    """A running total is not cut from the graph."""

    total: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.gain = nn.Parameter(torch.ones(()))
        self.register_buffer("total", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        outputs = (x @ self.kernel + self.bias) * self.gain
        self.total = self.total + outputs.sum()
        return outputs
