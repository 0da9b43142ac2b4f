"""A U-Net of three levels (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597), padded and normalised."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def batch_norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(4, channels)


class DoubleConv(nn.Module):
    """Twice: convolution, normalisation, ReLU."""

    def __init__(self, inward: int, outward: int, norm: Callable[[int], nn.Module] = batch_norm) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(inward, outward, kernel_size=3, padding=1, bias=False),
            norm(outward),
            nn.ReLU(inplace=True),
            nn.Conv2d(outward, outward, kernel_size=3, padding=1, bias=False),
            norm(outward),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.double_conv(x)
        return y


class UNet(nn.Module):
    """Logits ``[batch, classes, height, width]`` of images ``[batch, 3, height, width]``, sizes divisible by 4."""

    def __init__(self, width: int = 8, classes: int = 2) -> None:
        super().__init__()
        self.inc = DoubleConv(3, width)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(width, 2 * width))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(2 * width, 4 * width, group_norm))
        self.up1 = nn.ConvTranspose2d(4 * width, 2 * width, kernel_size=2, stride=2)
        self.conv1 = DoubleConv(4 * width, 2 * width)
        self.up2 = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(2 * width, width, kernel_size=3, padding=1)
        )
        self.conv2 = DoubleConv(2 * width, width)
        self.outc = nn.Conv2d(width, classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x = self.up1(self.down2(x2))
        x = self.conv1(torch.cat([x2, x], dim=1))
        x = self.conv2(torch.cat([x1, self.up2(x)], dim=1))
        logits: Tensor = self.outc(x)
        return logits


def build() -> nn.Module:
    return UNet()
