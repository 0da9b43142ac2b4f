"""A small network, and others that are no twins of it, each in one respect."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """Logits ``[batch, 5]`` of images ``[batch, 3, 6, 6]``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(4, 4, kernel_size=3, padding=1)
        self.second: nn.Module = nn.Conv2d(4, 4, kernel_size=3, padding=1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = self.second(self.through(torch.tanh(self.first(x))))
        logits: Tensor = self.head(torch.sigmoid(x).mean((2, 3)))
        return logits

    def through(self, x: Tensor) -> Tensor:
        return x


class Detached(Net):
    """No gradient comes by."""

    def through(self, x: Tensor) -> Tensor:
        return x.detach()


class Biased(nn.BatchNorm2d):
    """Keeps the variance of the batch as it is, not that of the samples."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.running_mean is None or self.running_var is None:
            return super().forward(x)
        over = [0, 2, 3]
        with torch.no_grad():
            self.running_mean.lerp_(x.mean(over), self.momentum or 0)
            self.running_var.lerp_(x.var(over, correction=0), self.momentum or 0)
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


class Series(nn.Module):
    """Series ``[batch, 5, 6]``."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(6, 7, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.gru(x)[0]
        return found


def net() -> nn.Module:
    return Net()


def other_epsilon() -> nn.Module:
    made = Net()
    made.norm.eps = 0.1
    return made


def other_momentum() -> nn.Module:
    made = Net()
    made.norm.momentum = 0.3
    return made


def other_padding() -> nn.Module:
    made = Net()
    made.first.padding = (0, 0)
    return made


def detached() -> nn.Module:
    return Detached()


def biased_variance() -> nn.Module:
    made = Net()
    made.norm = Biased(4)
    return made


def layer_less() -> nn.Module:
    made = Net()
    made.second = nn.Identity()
    return made


def without_bias() -> nn.Module:
    made = Net()
    made.head = nn.Linear(4, 5, bias=False)
    return made


def table() -> nn.Module:
    return nn.Embedding(7, 3)


def half() -> nn.Module:
    return nn.Embedding(7, 3).half()


def failing() -> nn.Module:
    raise RuntimeError("no weights\nto be had")


def gru() -> nn.Module:
    return Series()
